"""The page of `convlens serve` in a browser: images in, the answers of `predict` out, and nothing asked of others."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

import convlens
from tests.browser.asking import DROP, PASTE, dropped, shown
from tests.browser.conftest import FLAGS, Opened
from tests.images import TINY, draw_images
from tests.service.running import Running, image_file, serving

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def service(module_cache: Path) -> Iterator[Running]:
    with serving("house") as running:
        yield running


@pytest.fixture
def visited(browser) -> Iterator[object]:
    """Opens the page of a service; at the end it must have asked nobody else, and said nothing on its console."""
    pages: list[tuple[Opened, str]] = []

    def visit(service: Running, **options: object) -> Opened:
        address = f"http://127.0.0.1:{service.port}/"
        page = browser.new_context(viewport={"width": 1280, "height": 800}, **options).new_page()
        one = Opened(page)
        pages.append((one, address))
        page.goto(address)
        return one

    yield visit
    for one, address in pages:
        assert all(url.startswith((address, "blob:", "data:")) for url in one.asked), one.asked
        one.page.context.close()


@pytest.mark.parametrize("how", [DROP, PASTE], ids=["dropped", "pasted"])
def test_an_image_is_answered_as_predict_does(visited, service: Running, tmp_path: Path, how: str) -> None:
    (tmp_path / "a.png").write_bytes(image_file(4))
    (expected,) = convlens.predict("house", tmp_path / "a.png").predictions
    one = visited(service)
    dropped(one.page, "a.png", image_file(4), how)
    found = shown(one.page)
    assert len(found) == 5
    for name, percent in found.items():
        assert percent == pytest.approx(100 * expected.probabilities[name], abs=0.051 + 0.1)
    assert one.page.locator(".verdict").inner_text() == expected.predicted
    assert one.said == []


def test_chosen_images_each_get_their_answer(visited, service: Running, tmp_path: Path) -> None:
    files = []
    for seed in range(9):
        files.append(tmp_path / f"<b>{seed}.png")
        files[-1].write_bytes(image_file(seed))
    predicted = {Path(one.file).name: one.predicted for one in convlens.predict("house", *files).predictions}
    one = visited(service)
    one.page.wait_for_selector("#drop:not([hidden])")
    one.page.set_input_files("#files", files)
    one.page.wait_for_selector(".verdict >> nth=8")
    cards = one.page.locator(".answer")
    answers = {
        cards.nth(place).locator("figcaption > bdi").inner_text(): cards.nth(place).locator(".verdict").inner_text()
        for place in range(9)
    }
    assert answers == predicted
    assert one.said == []


def test_why_shows_the_heat_map_and_takes_it_away(visited, service: Running) -> None:
    one = visited(service)
    dropped(one.page, "a.png", image_file(4))
    button = one.page.get_by_role("button", name="Why?")
    button.click()
    one.page.wait_for_selector(".reason img >> nth=1")
    widths = one.page.evaluate("[...document.querySelectorAll('.reason img')].map((image) => image.naturalWidth)")
    assert widths == [64, 64]
    assert button.get_attribute("aria-pressed") == "true"
    button.click()
    assert not one.page.locator(".reason").is_visible()
    assert one.said == []


def test_what_is_no_image_is_said(visited, service: Running) -> None:
    one = visited(service)
    dropped(one.page, "notes.txt", b"hello")
    told = one.page.wait_for_selector(".refused")
    assert "none of JPEG" in told.inner_text()


def test_a_token_is_asked_for(visited, module_cache: Path) -> None:
    with serving("house", token="open") as guarded:
        one = visited(guarded)
        field = one.page.wait_for_selector("#token input")
        assert one.page.locator("#drop").is_hidden()
        field.fill("wrong")
        one.page.get_by_role("button", name="Use it").click()
        one.page.wait_for_selector("#model:has-text('Authorization')")
        field.fill("open")
        one.page.get_by_role("button", name="Use it").click()
        dropped(one.page, "a.png", image_file(0))
        assert shown(one.page)


def test_numbers_are_shown_as_numbers(visited, tmp_path: Path, cache: Path) -> None:
    folder = draw_images(tmp_path / "images", 12)
    files = sorted(folder.rglob("*.png"))
    table = tmp_path / "ages.csv"
    lines = [f"{file.relative_to(folder)},{20 + 3 * place}" for place, file in enumerate(files)]
    table.write_text("file,age\n" + "\n".join(lines) + "\n")
    run = convlens.train(folder, labels=table, out=tmp_path / "run", backbone="house", **TINY)
    with serving(run.run) as numbers:
        one = visited(numbers)
        dropped(one.page, "a.png", files[0].read_bytes())
        cell = one.page.wait_for_selector(".answer td")
        (expected,) = convlens.predict(run.run, files[0]).predictions
        assert float(cell.inner_text()) == pytest.approx(expected.numbers["age"], rel=1e-3)
        assert one.said == []


def test_the_camera_is_used_or_its_lack_is_said(visited, service: Running) -> None:
    one = visited(service)
    one.page.wait_for_selector("#drop:not([hidden])")
    one.page.get_by_role("button", name="Use the camera").click()
    one.page.wait_for_selector("#camera-said:has-text('camera')")
    assert one.page.locator("#viewfinder").is_hidden()


def test_a_picture_of_the_camera_is_answered(browser, service: Running) -> None:
    """Chromium's own test pattern stands for what a camera sees."""
    fake = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")
    with_camera = browser.browser_type.launch(executable_path=shutil.which("chromium"), args=[*FLAGS, *fake])
    page = with_camera.new_page()
    page.goto(f"http://127.0.0.1:{service.port}/")
    page.get_by_role("button", name="Use the camera").click()
    page.get_by_role("button", name="Take it").click()
    assert shown(page)
    assert page.locator(".answer figcaption > bdi").inner_text() == "camera.png"
    assert page.locator("#viewfinder").is_hidden()
    with_camera.close()
