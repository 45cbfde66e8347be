"""What `convlens export --to browser` writes, in a browser: the answers of the run, no request beyond the folder."""

import contextlib
import functools
import http.server
import io
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import convlens
from tests.browser.asking import DROP, PASTE, dropped, shown
from tests.browser.conftest import Opened
from tests.images import TINY, TINY_HOUSE, draw_images
from tests.service.running import image_file

pytestmark = pytest.mark.browser

ROUNDED = 0.051 + 0.1
"""Percent: of what is shown with one digit, and 1e-3."""
PREDICT = """async ([base64]) => {
  const bytes = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
  const model = await modules["onnx_model.js"].OnnxModel.load();
  return await model.predict(new File([bytes], "image"));
}"""


class _Silent(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextlib.contextmanager
def served(folder: Path) -> Iterator[str]:
    """The address of a folder behind a static server."""
    handler = functools.partial(_Silent, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/"
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture(scope="module")
def lite0(tmp_path_factory: pytest.TempPathFactory, module_cache: Path) -> Path:
    """The packaged network with its ImageNet weights, for the browser."""
    return Path(convlens.export("efficientnet_lite0", to="browser", out=tmp_path_factory.mktemp("b") / "lite0").file)


@pytest.fixture
def visited(browser) -> Iterator[object]:
    """Opens a page; at the end it must have said nothing on its console, and asked for nothing beyond its folder."""
    with contextlib.ExitStack() as stack:
        pages: list[tuple[Opened, str]] = []

        def visit(folder: Path, **options: object) -> Opened:
            address = stack.enter_context(served(folder))
            context = browser.new_context(**options)
            stack.callback(context.close)
            one = Opened(context.new_page())
            pages.append((one, address))
            one.page.goto(address)
            return one

        yield visit
        for one, address in pages:
            assert one.said == []
            assert all(url.startswith((address, "blob:", "data:")) for url in one.asked), one.asked


def answered(page, content: bytes) -> dict[str, dict[str, float]]:
    """What the page's own model says of a file, not rounded."""
    import base64

    page.wait_for_selector("#drop:not([hidden])", timeout=60_000)
    found: dict[str, dict[str, float]] = page.evaluate(PREDICT, [base64.b64encode(content).decode()])
    return found


@pytest.mark.parametrize("how", [DROP, PASTE], ids=["dropped", "pasted"])
def test_an_image_is_answered_as_predict_does(visited, lite0: Path, tmp_path: Path, how: str) -> None:
    (tmp_path / "a.png").write_bytes(image_file(4, side=300))
    (expected,) = convlens.predict("efficientnet_lite0", tmp_path / "a.png").predictions
    one = visited(lite0)
    dropped(one.page, "a.png", image_file(4, side=300), how)
    for name, percent in shown(one.page).items():
        assert percent == pytest.approx(100 * expected.probabilities[name], abs=ROUNDED)
    assert one.page.locator(".verdict").inner_text() == expected.predicted


def files() -> dict[str, bytes]:
    """Images of several forms; no lossy ones, which decoders may read one level apart."""
    random = np.random.default_rng(0)
    fine = Image.fromarray(random.integers(0, 256, (333, 217, 3), dtype=np.uint8))
    clear = Image.fromarray(random.integers(0, 256, (64, 90, 4), dtype=np.uint8) & 0xFF)
    clear.putalpha(Image.fromarray(random.choice(np.array([0, 255], np.uint8), (64, 90))))
    exif = Image.Exif()
    exif[0x0112] = 6
    made = {}
    for name, image, options in (
        ("fine", fine, {}),
        ("transparent", clear, {}),
        ("turned", fine, {"exif": exif}),
        ("gray", fine.convert("L"), {}),
        ("palette", fine.quantize(64), {}),
        ("tiny", fine.resize((9, 12)), {}),
        ("long", fine.resize((900, 40)), {}),
    ):
        content = io.BytesIO()
        image.save(content, "PNG", **options)
        made[name] = content.getvalue()
    return made


def test_answers_are_those_of_predict_to_a_thousandth(visited, lite0: Path, tmp_path: Path) -> None:
    one = visited(lite0)
    worst = {}
    for name, content in files().items():
        (tmp_path / f"{name}.png").write_bytes(content)
        (expected,) = convlens.predict("efficientnet_lite0", tmp_path / f"{name}.png").predictions
        found = answered(one.page, content)["probabilities"]
        worst[name] = max(abs(found[key] - value) for key, value in expected.probabilities.items())
    assert max(worst.values()) < 1e-3, worst


def test_a_jpeg_of_a_phone(visited, lite0: Path, tmp_path: Path) -> None:
    """12 megapixels, reduced before the model sees them: near, not equal."""
    (tmp_path / "a.jpg").write_bytes(image_file(5, "JPEG", side=3000))
    (expected,) = convlens.predict("efficientnet_lite0", tmp_path / "a.jpg").predictions
    one = visited(lite0)
    found = answered(one.page, (tmp_path / "a.jpg").read_bytes())
    assert found["remark"] == "read at 1/2 of its size"
    assert found["predicted"] == expected.predicted
    assert max(abs(found["probabilities"][k] - v) for k, v in expected.probabilities.items()) < 0.02


def test_the_proof_travels(visited, lite0: Path) -> None:
    one = visited(lite0)
    one.page.get_by_role("button", name="Check the model").click(timeout=60_000)
    told = one.page.wait_for_selector("#proof:has-text('largest difference')", timeout=60_000).inner_text()
    assert told.startswith("The model answers here as where it was made: 4 made images, largest difference ")
    assert float(told.rstrip(".").rsplit(" ", 1)[1]) < 1e-4


def test_on_a_phone_nothing_is_cut(visited, lite0: Path) -> None:
    one = visited(lite0, viewport={"width": 390, "height": 844}, color_scheme="dark")
    dropped(one.page, "a.png", image_file(1, side=200))
    assert shown(one.page)
    assert one.page.evaluate("document.documentElement.scrollWidth") <= 390


def test_what_is_no_image_is_said(visited, lite0: Path) -> None:
    one = visited(lite0)
    dropped(one.page, "notes.txt", b"hello")
    assert "cannot read" in one.page.wait_for_selector(".refused", timeout=60_000).inner_text()


def test_labels(visited, tmp_path: Path, cache: Path) -> None:
    folder = draw_images(tmp_path / "images", 12)
    paths = sorted(folder.rglob("*.png"))
    lines = [f"{path.relative_to(folder)},{int('blue' in str(path))},{n % 2}" for n, path in enumerate(paths)]
    (tmp_path / "t.csv").write_text("file,blue <b>,odd\n" + "\n".join(lines) + "\n")
    run = convlens.train(folder, labels=tmp_path / "t.csv", out=tmp_path / "run", **TINY_HOUSE)
    record = convlens.export(run.run, to="browser", out=tmp_path / "page")
    assert record.validation is not None
    assert record.validation.float32.proved
    one = visited(tmp_path / "page")
    (expected,) = convlens.predict(run.run, paths[0]).predictions
    found = answered(one.page, paths[0].read_bytes())
    assert found["probabilities"] == pytest.approx(expected.probabilities, abs=0.02)  # a run may compute in bfloat16
    dropped(one.page, "a.png", paths[0].read_bytes())
    assert "blue <b>" in shown(one.page)


def test_numbers(visited, tmp_path: Path, cache: Path) -> None:
    folder = draw_images(tmp_path / "images", 12)
    paths = sorted(folder.rglob("*.png"))
    lines = [f"{path.relative_to(folder)},{20 + 3 * place}" for place, path in enumerate(paths)]
    (tmp_path / "t.csv").write_text("file,age\n" + "\n".join(lines) + "\n")
    options = {"backbone": "house", **TINY, "precision": "fp32"}
    run = convlens.train(folder, labels=tmp_path / "t.csv", out=tmp_path / "run", **options)
    convlens.export(run.run, to="browser", out=tmp_path / "page")
    one = visited(tmp_path / "page")
    (expected,) = convlens.predict(run.run, paths[3]).predictions
    assert answered(one.page, paths[3].read_bytes())["numbers"]["age"] == pytest.approx(expected.numbers["age"], 1e-4)


def test_a_file_that_is_missing_is_named(browser, lite0: Path, tmp_path: Path) -> None:
    import shutil

    shutil.copytree(lite0, tmp_path / "page")
    (tmp_path / "page" / "model.onnx").unlink()
    with served(tmp_path / "page") as address:
        page = browser.new_page()
        page.goto(address)
        page.wait_for_selector("#model:has-text('model.onnx is missing')")
        page.close()


def test_without_a_server_the_page_says_how(browser, lite0: Path) -> None:
    page = browser.new_page()
    page.goto((lite0 / "index.html").as_uri())
    page.wait_for_selector("#model:has-text('python -m http.server')")
    page.close()
