"""The page of `convlens check` in a browser: names that are markup stay text, and nothing is asked of anybody."""

import pytest

from convlens.tasks.check import check_images
from tests.tasks.test_check import HOSTILE, hostile_folder

pytestmark = pytest.mark.browser


def test_a_class_that_is_named_like_markup_is_shown_as_text(opened, tmp_path):
    check_images(hostile_folder(tmp_path / "p"), html=tmp_path / "page.html")
    alerts = []
    one = opened(tmp_path / "page.html")
    one.page.on("dialog", lambda dialog: (alerts.append(dialog.message), dialog.dismiss()))
    one.page.reload()
    one.page.wait_for_load_state("networkidle")
    assert one.page.locator("th", has_text=HOSTILE).first.is_visible()
    assert one.page.locator("h3", has_text=HOSTILE).count() == 1
    assert one.page.locator('img[src="x"], script').count() == 0
    assert alerts == []


def test_every_image_on_it_is_drawn(opened, tmp_path):
    check_images(hostile_folder(tmp_path / "p"), html=tmp_path / "page.html")
    page = opened(tmp_path / "page.html").page
    page.evaluate("for (const one of document.images) one.loading = 'eager'")
    page.wait_for_function("[...document.images].every(one => one.complete)")
    widths = page.evaluate("[...document.images].map(one => one.naturalWidth)")
    assert widths
    assert min(widths) > 0
