"""The images of the explain page in docs/images, made anew: python docs/make_screenshots.py (needs chromium).

Every image that is shown in them is drawn by convlens itself.
"""

import shutil
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

import convlens

IMAGES = Path(__file__).parent / "images"
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
WIDTH, HEIGHT = 1300, 860


def main() -> None:
    """Draw five views."""
    chromium = shutil.which("chromium")
    if chromium is None:
        sys.exit("no chromium on this machine: apt-get install chromium")
    IMAGES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=FLAGS)
        page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
        pages = Path(folder)
        house = convlens.explain("house").save(pages / "house.html")
        residual = convlens.explain("resnet56", weights="random", versus="plain56").save(pages / "resnet56.html")
        googlenet = convlens.explain("googlenet", weights="random").save(pages / "googlenet.html")
        layers = convlens.explain("mlp").save(pages / "mlp.html")
        _block(page, house)
        _image(page, house)
        _flow(page, residual)
        _branches(page, googlenet)
        _step(page, layers)
        browser.close()


def _open(page: Page, path: Path, search: str) -> None:
    page.goto(path.as_uri())
    page.locator("#search").fill(search)
    page.locator("#search").press("Enter")


def _shoot(page: Page, name: str) -> None:
    page.screenshot(path=IMAGES / f"explain-{name}.png")


def _block(page: Page, path: Path) -> None:
    """A residual block unfolded, with what each path brought back."""
    _open(page, path, "layer2.1.conv1")
    page.keyboard.press("Escape")
    _shoot(page, "block")


def _image(page: Page, path: Path) -> None:
    _open(page, path, "layer1.0.conv2")
    page.locator("[data-tab=image]").click()
    page.locator("svg.image").click(position={"x": 150, "y": 160})
    _shoot(page, "receptive-field")


def _flow(page: Page, path: Path) -> None:
    _open(page, path, "layer2.0.conv1")
    page.locator("[data-tab=flow]").click()
    _shoot(page, "gradient-flow")


def _branches(page: Page, path: Path) -> None:
    _open(page, path, "inception4a.branch2.1.conv")
    _shoot(page, "inception")


def _step(page: Page, path: Path) -> None:
    """Backward through the last layer of the two-layer network."""
    page.goto(path.as_uri())
    for _ in range(6):
        page.locator("#step-forward").click()
    _shoot(page, "step")


if __name__ == "__main__":
    main()
