"""The page of `convlens suggest` in a browser: images are labeled by keys alone, and the table comes back as it was."""

import csv

import pytest
from PIL import Image

from convlens.core.suggestion import SuggestedImage, SuggestionRecord
from convlens.report.suggest_page import write_suggest_page
from tests.images import draw

pytestmark = pytest.mark.browser

HOSTILE = '<img src=x onerror=alert(1)>, "quoted"'
CLASSES = ["bee", HOSTILE, "wasp"]
FILES = ["a.png", 'b, "2".png', "c.png", "</script>.png"]


def record(classes=CLASSES, files=FILES):
    likeliest = {name: 1 / (place + 2) for place, name in enumerate(reversed(classes))}
    return SuggestionRecord(
        run="my run",
        folder="pool",
        classes=list(classes),
        images=30,
        known=0,
        computed=30,
        suggestions=[SuggestedImage(file=file, sha256="0" * 64, likeliest=dict(likeliest)) for file in files],
        bad_files=[],
    )


@pytest.fixture
def page_of(opened, tmp_path):
    """Opens the page of a record."""

    def open_page(one):
        with Image.open(draw(tmp_path / "one.png")) as image:
            image.convert("RGB").save(tmp_path / "one.jpg")
        jpeg = (tmp_path / "one.jpg").read_bytes()
        write_suggest_page(one, {shown.file: jpeg for shown in one.suggestions}, tmp_path / "label.html")
        return opened(tmp_path / "label.html").page

    return open_page


def saved(page, tmp_path):
    with page.expect_download() as download:
        page.keyboard.press("s")
    assert download.value.suggested_filename == "labels.csv"
    download.value.save_as(tmp_path / "labels.csv")
    with (tmp_path / "labels.csv").open(newline="", encoding="utf-8") as table:
        return list(csv.reader(table))


def test_images_are_labeled_by_keys_alone_and_the_table_round_trips(page_of, tmp_path):
    page = page_of(record())
    for key in ("1", "2", "ArrowRight"):
        page.keyboard.press(key)
    assert "2 of 4 labeled" in page.locator("#said").inner_text()
    page.keyboard.press("/")
    page.keyboard.type("hornet, new s")  # keys of the page are letters here
    page.keyboard.press("Enter")
    assert saved(page, tmp_path) == [
        ["file", "label"],
        [FILES[0], "bee"],
        [FILES[1], HOSTILE],
        [FILES[3], "hornet, new s"],
    ]


def test_a_label_can_be_changed_and_cleared(page_of, tmp_path):
    page = page_of(record())
    for key in ("1", "1", "ArrowLeft", "ArrowLeft", "3", "Delete"):
        page.keyboard.press(key)
    assert page.locator('#strip [aria-current="true"] .label').inner_text() == ""
    page.keyboard.press("3")
    assert saved(page, tmp_path)[1:] == [[FILES[0], "wasp"], [FILES[1], "wasp"]]


def test_nothing_is_saved_of_nothing(page_of):
    page = page_of(record())
    page.keyboard.press("s")
    assert page.locator("#said").inner_text() == "Nothing is labeled yet."


def test_names_of_classes_and_files_are_text(page_of):
    page = page_of(record())
    assert page.locator("#choices bdi").all_inner_texts() == CLASSES
    page.keyboard.press("2")
    assert page.locator("#strip .label").first.inner_text() == HOSTILE
    assert page.locator('img[src="x"]').count() == 0
    assert page.locator("code").inner_text() == "convlens extend 'my run' pool --labels labels.csv"


def test_of_many_classes_the_likeliest_have_keys_and_all_can_be_typed(page_of, tmp_path):
    classes = [f"class {number}" for number in range(30)]
    one = record(classes, FILES[:2])
    likeliest = dict(list(one.suggestions[0].likeliest.items())[:9])
    one = one.model_copy(
        update={"suggestions": [shown.model_copy(update={"likeliest": likeliest}) for shown in one.suggestions]}
    )
    page = page_of(one)
    assert page.locator("#choices bdi").all_inner_texts() == [f"class {number}" for number in range(29, 20, -1)]
    assert page.locator("#classes option").count() == 30
    page.keyboard.press("9")
    page.keyboard.press("/")
    page.keyboard.type("class 3")
    page.keyboard.press("Enter")
    assert [row[1] for row in saved(page, tmp_path)[1:]] == ["class 21", "class 3"]


def test_every_control_can_be_reached_and_the_page_fits_a_phone(opened, page_of, tmp_path):
    page_of(record())
    page = opened(tmp_path / "label.html", width=380, height=800).page
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    reached = []
    for _ in range(20):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.id || document.activeElement.ariaLabel || ''"))
    assert {"name", "back", "skip", "clear", "save"} <= set(reached)
    assert any(one.startswith("Image 4") for one in reached)
