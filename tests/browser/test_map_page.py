"""The page of `convlens map` in a browser: by keys, with names that are markup, and without a request."""

from pathlib import Path

import pytest

from convlens.tasks.map import map_images
from tests.stripes import draw_pattern

pytestmark = pytest.mark.browser

HOSTILE = "<img src=x onerror=alert(1)>"


@pytest.fixture
def page_file(tmp_path: Path) -> Path:
    for kind, name in (("rows", HOSTILE), ("columns", "plain")):
        draw_pattern(tmp_path / "images" / name, kind, 8)
    map_images(tmp_path / "images", out=tmp_path / "map.html", backbone="house", size=64)
    return tmp_path / "map.html"


def test_it_is_walked_through_by_keys_and_shows_names_as_text(opened, page_file: Path) -> None:
    one = opened(page_file)
    page = one.page
    page.focus("#plane")
    seen = set()
    for key in ("ArrowRight", "ArrowRight", "ArrowLeft", "ArrowUp", "ArrowDown", "ArrowLeft", "ArrowDown"):
        page.keyboard.press(key)
        seen.add(page.text_content("#status"))
    assert len(seen) > 2
    assert any(text.endswith(f"({HOSTILE})") for text in seen) or any(text.endswith("(plain)") for text in seen)
    assert page.locator("h3", has_text=HOSTILE).count() == 1
    assert page.locator('img[src="x"]').count() == 0
    assert one.quiet()


def test_images_are_drawn_and_enlarged_and_one_group_shown_alone(opened, page_file: Path) -> None:
    one = opened(page_file)
    page = one.page
    drawn = 'document.getElementById("plane").toDataURL()'
    page.wait_for_function(f"{drawn}.length > 60_000")  # images, not frames of two colors
    before = page.evaluate(drawn)
    button = page.locator("[data-group]").first
    button.click()
    assert button.get_attribute("aria-pressed") == "true"
    assert page.evaluate(drawn) != before
    button.click()
    assert button.get_attribute("aria-pressed") == "false"
    page.focus("#plane")
    for _ in range(4):
        page.keyboard.press("+")
    assert page.evaluate(drawn) != before
    page.keyboard.press("0")
    assert page.evaluate(drawn) == before
    assert one.quiet()
