"""The page of a study and the index, in headless Chromium: no request, nothing cut on a phone, dark and light."""

import pytest

from convlens.core.study import Axis, Chart, Conclusion, Finding, Level, Point, Series
from convlens.report.study import write_study_index, write_study_page
from convlens.studies.gradients import Gradients
from convlens.studies.study import run_study

pytestmark = pytest.mark.browser

HOSTILE = "<img src=x onerror=alert(1)> $x^2$"


@pytest.fixture(scope="module")
def folder(tmp_path_factory, module_cache):
    folder = tmp_path_factory.mktemp("studies")
    record, _ = run_study(Gradients(seeds=2, layers=6, width=16, batch=8), folder / "gradients")
    series = [
        Series(name=f"series {place} {HOSTILE}", points=[Point(x=x, y=x + place, low=x, high=x + 9) for x in (1, 2, 4)])
        for place in range(5)
    ]
    chart = Chart(
        name="named", title=HOSTILE, x=Axis(label="place", names=["a", HOSTILE, "c", "d", "e"]), y=Axis(label="y"),
        series=series, levels=[Level(name="guessing", y=3)],
    )  # fmt: skip
    conclusion = Conclusion(findings=[Finding(sentence=HOSTILE, verdict="not shown")], charts=[chart])
    odd = record.model_copy(update={"name": "depth", "data": [HOSTILE], "conclusion": conclusion})
    write_study_page(odd, folder / "odd")
    assert write_study_index(folder)
    return folder


@pytest.mark.parametrize("page", ["gradients/study.html", "odd/study.html", "index.html"])
@pytest.mark.parametrize("width", [390, 1300])
def test_pages_open_without_a_request_and_fit_the_screen(folder, opened, page, width):
    one = opened(folder / page, width=width)
    assert one.page.evaluate("document.documentElement.scrollWidth") <= width
    assert one.page.locator("h1").count() == 1


def test_points_say_their_numbers_under_the_pointer(folder, opened):
    page = opened(folder / "gradients" / "study.html").page
    titles = page.locator("#relu-title ~ figure svg title, svg title")
    assert titles.count() > 6 * 3
    assert "He, 1:" in "".join(titles.all_text_contents())


def test_the_index_leads_to_the_pages_and_back(folder, opened):
    page = opened(folder / "index.html").page
    page.get_by_role("link", name="Vanishing and exploding gradients").click()
    assert page.url.endswith("gradients/study.html")
    page.get_by_role("link", name="convlens studies").click()
    assert page.url.endswith("index.html")
