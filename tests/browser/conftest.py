"""Headless Chromium, and pages that may ask nothing of anybody."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@pytest.fixture(scope="session")
def browser() -> Iterator[object]:
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("no Chromium on this machine; `make test-browser` says how to get it")
    playwright = pytest.importorskip("playwright.sync_api", reason="no playwright: pip install -e '.[browser]'")
    with playwright.sync_playwright() as driver:
        running = driver.chromium.launch(executable_path=chromium, args=list(FLAGS))
        yield running
        running.close()


class Opened:
    """A page with everything that it said on its console and asked of the network."""

    def __init__(self, page: object) -> None:
        self.page = page
        self.said: list[str] = []
        self.asked: list[str] = []
        page.on("console", lambda message: self.said.append(message.text))
        page.on("pageerror", lambda error: self.said.append(str(error)))
        page.on("request", lambda request: self.asked.append(request.url))

    def quiet(self) -> bool:
        """Nothing on the console, and no request but for the file itself and what lies in it."""
        return not self.said and all(url.startswith(("file:", "data:")) for url in self.asked)


@pytest.fixture
def opened(browser):
    """Opens a file; at the end the page must have been quiet."""
    pages = []

    def open_file(path: Path, width: int = 1300, height: int = 900) -> Opened:
        page = browser.new_page(viewport={"width": width, "height": height})
        one = Opened(page)
        pages.append(one)
        page.goto(path.as_uri())
        return one

    yield open_file
    for one in pages:
        assert one.quiet(), (one.said, one.asked)
        one.page.close()
