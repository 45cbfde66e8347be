"""The page of `convlens audit` in a browser: by keys alone, without a request, whatever classes are called."""

import csv
from pathlib import Path

import pytest

from convlens.core.audit import AuditRecord
from convlens.data.layout import Layout
from convlens.data.scan import scan
from convlens.tasks.audit import audit
from convlens.tasks.train import train
from tests.tasks.test_audit import HOUSE, draw_tinted, with_wrong_labels

pytestmark = pytest.mark.browser
HOSTILE = {"red": '</script><script>alert("red")</script>', "blue": 'deep, "blue"\nsea', "green": "<b>green</b>"}
"""Classes of the images in folders of these names."""


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory, module_cache: Path) -> tuple[Path, AuditRecord]:
    """A folder with a table of labels, some wrong, and a side for testing; its audit lies beside it."""
    place = tmp_path_factory.mktemp("audit")
    folder = with_wrong_labels(place / "images")
    draw_tinted(folder / "green", "blue", 3, 7)
    for kind in ("red", "blue"):
        draw_tinted(folder / "new" / kind, kind, 12, 9)
    (folder / "blue/red0.png").rename(folder / "blue/<img src=x onerror=alert(1)>.png")
    (folder / "new/red/red1.png").rename(folder / "new/blue/red1.png")
    rows = [
        (path.relative_to(folder).as_posix(), HOSTILE[path.parent.name], "test" if "new" in path.parts else "train")
        for path in sorted(folder.rglob("*.png"))
    ]
    with (folder / "labels.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("file", "label", "split"), *rows])
    return folder, audit(folder, **HOUSE, labels=folder / "labels.csv", out=place / "out")


def page_of(record: AuditRecord) -> Path:
    assert record.page is not None
    return Path(record.page)


def answers(one, count):
    """How many images are answered, as the page says."""
    one.page.wait_for_function(f"document.getElementById('progress').textContent.includes('{count} answered')")


def test_names_that_are_markup_are_text(opened, hostile):
    one = opened(page_of(hostile[1]))
    alerts = []
    one.page.on("dialog", lambda dialog: (alerts.append(dialog.message), dialog.dismiss()))
    one.page.reload()
    one.page.wait_for_load_state("networkidle")
    assert one.page.locator(".card .class").first.text_content() in HOSTILE.values()
    assert one.page.locator("th bdi").all_text_contents() == [row.name for row in hostile[1].labels.classes]
    assert one.page.locator('img[src="x"], b').count() == 0
    assert one.page.locator("script").count() == 2
    assert alerts == []


def test_a_review_by_keys_alone_gives_a_table_to_train_on(opened, hostile, tmp_path):
    folder, record = hostile
    labels = record.labels
    one = opened(page_of(record))
    keys = one.page.keyboard
    suspects = [found.file for found in labels.suspects]
    doubts = [found.file for found in labels.doubts]
    for _ in suspects:
        keys.press("r")
    for _ in labels.sealed.blind:
        assert one.page.locator("#file").text_content() == ""
        assert one.page.locator("#given, #suggested").first.is_hidden()
        assert "%" not in one.page.locator("#cards").text_content()
        keys.press("1")
    for _ in doubts:
        keys.press("k")
    all_of_them = len(suspects) + len(labels.sealed.blind) + len(doubts)
    answers(one, all_of_them)
    assert one.page.locator("#all-done").is_visible()
    keys.press("u")
    answers(one, all_of_them - 1)
    keys.press("d")
    answers(one, all_of_them)
    dropped = (doubts or [found.file for found in labels.sealed.blind])[-1]
    one.page.locator("#parts button").first.focus()
    keys.press("Enter")
    keys.press("c")
    keys.type("<b")
    keys.press("Enter")
    with one.page.expect_download() as waiting:
        keys.press("s")
    table = tmp_path / waiting.value.suggested_filename
    waiting.value.save_as(table)
    assert table.name == "corrected.csv"
    with table.open(newline="", encoding="utf-8") as file:
        found = {row["file"]: row for row in csv.DictReader(file)}
    with (folder / "labels.csv").open(newline="", encoding="utf-8") as file:
        given = {row["file"]: row for row in csv.DictReader(file)}
    assert found.keys() == given.keys() - {dropped}
    chosen = {shown.file: shown.classes[0] for shown in labels.sealed.blind}
    suggested = {found.file: found.suggested for found in labels.suspects}
    wanted = {**suggested, **chosen, suspects[0]: HOSTILE["green"]}
    for name, row in found.items():
        assert row["label"] == wanted.get(name, given[name]["label"])
        assert row["split"] == ("test" if name.startswith("new/") else "")
    assert {image.file: image.labels for image in scan(folder, layout=Layout(labels=table)).images} == {
        name: (row["label"],) for name, row in found.items()
    }
    run = train(folder, **HOUSE, epochs=1, labels=table, out=tmp_path / "run")
    assert set(run.classes) == set(HOSTILE.values())


def test_the_review_goes_on_where_it_was_left(opened, hostile):
    one = opened(page_of(hostile[1]))
    one.page.keyboard.press("k")
    answers(one, 1)
    one.page.reload()
    answers(one, 1)
    assert one.page.locator("#progress").text_content().startswith("2 of")
    one.page.keyboard.press("ArrowLeft")
    assert one.page.locator("#said").text_content() == "Kept."
    one.page.keyboard.press("u")
    answers(one, 0)
    assert one.page.locator("#said").text_content() == ""


def test_what_was_kept_is_not_asked_again_by_a_later_audit(opened, hostile, tmp_path):
    folder, record = hostile
    later = audit(folder, **HOUSE, seed=1, labels=folder / "labels.csv", out=tmp_path / "later")
    again = [one.file for one in later.labels.suspects if one.file in {one.file for one in record.labels.suspects}]
    assert again
    first = opened(page_of(record))
    for _ in record.labels.suspects:
        first.page.keyboard.press("k")
    answers(first, len(record.labels.suspects))
    first.page.goto(page_of(later).as_uri())
    answers(first, len(again))


def test_a_page_without_anything_to_review(opened, tmp_path):
    for kind in ("red", "blue"):
        draw_tinted(tmp_path / "images" / kind, kind, 8, 3)
    record = audit(tmp_path / "images", **HOUSE, out=tmp_path / "out")
    assert not record.labels.suspects
    page = opened(page_of(record)).page
    assert page.locator("#review").is_hidden()
    with page.expect_download() as waiting:
        page.locator("#download").click()
    assert len(waiting.value.path().read_text().splitlines()) == 17


@pytest.mark.parametrize("width", [1300, 390])
def test_it_fits(opened, hostile, width):
    page = opened(page_of(hostile[1]), width=width).page
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    widths = page.evaluate("[...document.images].map(one => one.naturalWidth)")
    assert widths
    assert min(widths) > 0
