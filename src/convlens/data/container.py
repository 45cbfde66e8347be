"""What an image file says of itself: its format, and whether it ends too early.

Read from the bytes, because a decoder's complaint does not tell a file that was cut off from one that was damaged,
and because a file that was cut off within its header looks to a decoder like no image at all.
"""

import re
import struct
from collections.abc import Callable

_BEFORE_JPEG_MARKER = re.compile(rb"(?:\xff++[\x01\xd0-\xd7])*+(?:\xff++|\Z)")
"""What may stand before the code of a segment: markers without a length (TEM, RST) and fill bytes (ITU T.81, B.1.1)."""

_PORTABLE_HEADER = re.compile(rb"P[1-6]\s(?:\s|#[^\n]*\n)*+\d+\s(?:\s|#[^\n]*\n)*+\d+\s")
"""Of a PBM, PGM or PPM file: its width and height, with comments between."""


def format_of(data: bytes) -> str | None:
    """The format by the first bytes, of those that can be read: JPEG, PNG ... (see `FORMATS`); None for others."""
    return next((name for name, matches in _SIGNATURES.items() if matches(data)), None)


def other_format_of(data: bytes) -> str | None:
    """What a file is that is not read, with its article, such as "a PDF document"; None for what nothing tells."""
    return next((name for name, matches in _OTHER_SIGNATURES.items() if matches(data)), None)


def _brand(data: bytes) -> bytes:
    """Of an ISO base media file, which HEIC, AVIF and videos are."""
    return data[8:12] if data[4:8] == b"ftyp" else b""


def ends_early(data: bytes) -> bool:
    """Whether a file of these formats stops before the end that its own structure announces."""
    name = format_of(data)
    return name in _ENDS_EARLY and _ENDS_EARLY[name](data)


def _jpeg_ends_early(data: bytes) -> bool:
    """Nothing closes the last scan; markers within a segment (an embedded thumbnail's) do not count."""
    at = 2
    while at + 4 <= len(data):
        if not (before := _BEFORE_JPEG_MARKER.match(data, at)):
            return False  # damaged
        at = before.end()
        if data[at : at + 1] == b"\xda":
            return data.rfind(b"\xff\xd9", at) < 0  # from the end, where it is in a whole file
        at += 1 + int.from_bytes(data[at + 1 : at + 3])
    return True


def _png_ends_early(data: bytes) -> bool:
    return b"IEND\xae\x42\x60\x82" not in data


def _webp_ends_early(data: bytes) -> bool:
    return 8 + int.from_bytes(data[4:8], "little") > len(data)


def _gif_ends_early(data: bytes) -> bool:
    """The blocks, each with its sub-blocks, run past the end before a trailer comes."""
    trailer, image, extension = b";,!"
    try:
        at = 13 + _gif_palette_bytes(data[10])
        while data[at] != trailer:
            if data[at] not in (image, extension):
                return False  # damaged
            at += 2 if data[at] == extension else 11 + _gif_palette_bytes(data[at + 9])
            while data[at]:
                at += 1 + data[at]
            at += 1
    except IndexError:
        return True
    return False


def _gif_palette_bytes(flags: int) -> int:
    return 3 * 2 ** ((flags & 7) + 1) if flags & 0x80 else 0


def _bmp_ends_early(data: bytes) -> bool:
    return int.from_bytes(data[2:6], "little") > len(data)


def _tiff_ends_early(data: bytes) -> bool:
    """The first page's directory, a value that it points to, or one of its strips or tiles lies past the end."""
    order = "<" if data[:2] == b"II" else ">"
    try:
        (directory,) = struct.unpack_from(f"{order}I", data, 4)
        (num_entries,) = struct.unpack_from(f"{order}H", data, directory)
        values = dict(_tiff_values(data, order, directory + 2 + 12 * entry) for entry in range(num_entries))
    except struct.error:
        return True
    places, lengths = (values.get(strip) or values.get(tile, ()) for strip, tile in ((273, 324), (279, 325)))
    return any(place + length > len(data) for place, length in zip(places, lengths, strict=False))


def _tiff_values(data: bytes, order: str, entry: int) -> tuple[int, tuple[int, ...]]:
    """The tag of a directory entry, and its values where they are integers of 16 or 32 bits."""
    tag, kind, count = struct.unpack_from(f"{order}HHI", data, entry)
    size = count * _TIFF_KIND_BYTES.get(kind, 0)
    place = entry + 8 if size <= 4 else struct.unpack_from(f"{order}I", data, entry + 8)[0]
    (raw,) = struct.unpack_from(f"{size}s", data, place)
    letter = {3: "H", 4: "I"}.get(kind)
    return tag, struct.unpack(f"{order}{count}{letter}", raw) if letter else ()


_TIFF_KIND_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8}

_SIGNATURES: dict[str, Callable[[bytes], bool]] = {
    "JPEG": lambda data: data.startswith(b"\xff\xd8\xff"),
    "PNG": lambda data: data.startswith(b"\x89PNG\r\n\x1a\n"),
    "WEBP": lambda data: data.startswith(b"RIFF") and data[8:12] == b"WEBP",
    "GIF": lambda data: data.startswith((b"GIF87a", b"GIF89a")),
    "BMP": lambda data: data.startswith(b"BM") and data[6:10] == bytes(4),  # a text may begin with "BM"
    "TIFF": lambda data: data.startswith((b"II*\0", b"MM\0*")),
    "AVIF": lambda data: _brand(data) in (b"avif", b"avis"),
    "HEIC": lambda data: _brand(data) in (b"heic", b"heix", b"heim", b"heis", b"hevc", b"mif1", b"msf1"),
    "JPEG2000": lambda data: data.startswith((b"\0\0\0\x0cjP  \r\n\x87\n", b"\xff\x4f\xff\x51")),
    "PPM": lambda data: bool(_PORTABLE_HEADER.match(data)),
}
FORMATS = tuple(_SIGNATURES)
"""Names of the formats that can be read: by Pillow; HEIC by an extra package."""
_OTHER_SIGNATURES: dict[str, Callable[[bytes], bool]] = {
    "an HTML page": lambda data: bool(re.match(rb"(?i)(?:\xef\xbb\xbf)?\s*(?:<!doctype html|<html)", data)),
    "a Git LFS pointer in place of the image (`git lfs pull` fetches it)": lambda data: data.startswith(
        b"version https://git-lfs"
    ),
    "a DICOM file": lambda data: data[128:132] == b"DICM",
    "an SVG drawing": lambda data: b"<svg" in data[:1024],
    "a Photoshop file": lambda data: data.startswith(b"8BPS"),
    "a PDF document": lambda data: data.startswith(b"%PDF"),
    "a PostScript file": lambda data: data.startswith(b"%!PS"),
    "a JPEG XL image": lambda data: data.startswith((b"\xff\x0a", b"\0\0\0\x0cJXL ")),
    "an OpenEXR image": lambda data: data.startswith(b"v/1\x01"),
    "a Radiance HDR image": lambda data: data.startswith((b"#?RADIANCE", b"#?RGBE")),
    "an icon": lambda data: data.startswith(b"\0\0\1\0"),
    "a NumPy array": lambda data: data.startswith(b"\x93NUMPY"),
    "an HDF5 file": lambda data: data.startswith(b"\x89HDF"),
    "a zip archive": lambda data: data.startswith(b"PK\x03\x04"),
    "a gzip file": lambda data: data.startswith(b"\x1f\x8b"),
    "a video": lambda data: data[4:8] == b"ftyp" or data.startswith(b"\x1aE\xdf\xa3"),
}
"""What is found in the place of images, by the first bytes."""
_ENDS_EARLY: dict[str, Callable[[bytes], bool]] = {
    "JPEG": _jpeg_ends_early,
    "PNG": _png_ends_early,
    "WEBP": _webp_ends_early,
    "GIF": _gif_ends_early,
    "BMP": _bmp_ends_early,
    "TIFF": _tiff_ends_early,
}
