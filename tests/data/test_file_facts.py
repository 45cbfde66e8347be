"""Facts about files: sizes, JPEG quality, camera and minute."""

from pathlib import Path

import pytest
from PIL import Image

from convlens.data.file_facts import file_facts


def image() -> Image.Image:
    return Image.radial_gradient("L").convert("RGB").resize((60, 40))


@pytest.mark.parametrize("quality", [30, 50, 75, 92])
def test_the_quality_of_a_jpeg_is_the_one_it_was_saved_with(tmp_path: Path, quality: int) -> None:
    image().save(tmp_path / "a.jpg", quality=quality)
    facts = file_facts(tmp_path / "a.jpg")
    assert facts.quality == pytest.approx(quality, abs=1.5)
    assert (facts.width, facts.height, facts.bytes) == (60, 40, (tmp_path / "a.jpg").stat().st_size)
    assert (facts.camera, facts.minute) == ("", "")


def test_other_formats_have_no_quality_and_exif_is_read(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x010F], exif[0x0110] = "Maker\0", "Model 1"
    exif.get_ifd(0x8769)[0x9003] = "2026:11:28 12:34:56"
    image().save(tmp_path / "a.png", exif=exif)
    facts = file_facts(tmp_path / "a.png")
    assert (facts.quality, facts.camera, facts.minute) == (None, "Maker Model 1", "2026:11:28 12:34")


def test_a_time_that_was_never_set_is_none(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0x9003] = "0000:00:00 00:00:00"
    image().save(tmp_path / "a.jpg", exif=exif)
    assert file_facts(tmp_path / "a.jpg").minute == ""
