"""What a file's own structure says: its format, and whether it ends too early."""

import pytest

from convlens.data.container import ends_early, format_of
from tests.data.drawn import encoded, noise

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF")


@pytest.mark.parametrize("name", FORMATS)
def test_whole_files_are_known_and_end_where_they_should(name: str) -> None:
    data = encoded(noise(), name)
    assert format_of(data) == name
    assert not ends_early(data)
    assert not ends_early(data + b"what follows")


@pytest.mark.parametrize("name", FORMATS)
def test_every_cut_is_noticed(name: str) -> None:
    data = encoded(noise(20, 16), name)
    cuts = [cut for cut in range(12, len(data)) if not ends_early(data[:cut])]
    assert cuts == []


@pytest.mark.parametrize(
    "options",
    [{"compression": "tiff_lzw"}, {"compression": "jpeg"}, {"compression": "tiff_adobe_deflate", "strip_size": 100}],
)
def test_tiff_strips_before_and_after_the_directory(options: dict[str, object]) -> None:
    data = encoded(noise(40, 32), "TIFF", **options)
    assert not ends_early(data)
    assert all(ends_early(data[:cut]) for cut in range(12, len(data)))


def test_a_jpeg_thumbnail_within_a_jpeg_is_not_its_end() -> None:
    data = encoded(noise(), "JPEG", exif=b"Exif\0\0" + encoded(noise(20, 16), "JPEG"))
    assert data.count(b"\xff\xd9") >= 2
    assert not ends_early(data)
    assert ends_early(data[:-2])


@pytest.mark.parametrize("data", [b"", b"\xff\xd8", b"BM a text", b"RIFF....WAVE", b"GIF tells", b"<html>"])
def test_anything_else_has_no_format_and_no_end(data: bytes) -> None:
    assert format_of(data) is None
    assert not ends_early(data)
