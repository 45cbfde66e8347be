"""What a file's own structure says: its format, and whether it ends too early."""

import pytest

from convlens.data.container import ends_early, format_of
from convlens.data.decode import decode
from tests.data.drawn import encoded, noise, slopes

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


@pytest.mark.parametrize("between", [b"\xff", b"\xff" * 1000, b"\xff\xd0", b"\xff\xff\x01\xff\xd7\xff"])
def test_fill_bytes_and_markers_without_a_length_before_a_segment_of_a_jpeg(between: bytes) -> None:
    """ITU T.81, B.1.1.2: any marker may be preceded by bytes 0xFF; B.1.1.3: TEM and RST stand alone."""
    whole = encoded(noise(20, 16), "JPEG")
    for marker in (b"\xff\xe0", b"\xff\xdb", b"\xff\xc0", b"\xff\xda"):
        data = whole.replace(marker, between + marker, 1)
        assert not ends_early(data)
        assert [cut for cut in range(12, len(data)) if not ends_early(data[:cut])] == []


def test_a_jpeg_with_fill_bytes_is_decoded() -> None:
    whole = encoded(slopes(), "JPEG")
    filled = whole.replace(b"\xff\xdb", b"\xff\xff\xff\xdb", 1)
    sizes = {"resize": 64, "size": 64, "interpolation": "bilinear"}
    assert (decode(filled, **sizes).pixels == decode(whole, **sizes).pixels).all()


def test_fill_bytes_without_end_are_read_once() -> None:
    assert ends_early(b"\xff\xd8" + b"\xff" * 2**26)


@pytest.mark.parametrize("data", [b"", b"\xff\xd8", b"BM a text", b"RIFF....WAVE", b"GIF tells", b"<html>"])
def test_anything_else_has_no_format_and_no_end(data: bytes) -> None:
    assert format_of(data) is None
    assert not ends_early(data)
