"""Examine: what one file of images is, what will be done with it, and whether it shows anything."""

from pathlib import PurePath
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from convlens.data.container import format_of
from convlens.data.decode import Opened, opened, turned
from convlens.data.perceptual_hash import signature
from convlens.data.remarks import SIXTEEN_BITS, Remark, white_level

DARK, BLANK, BLURRED, SMALL = "dark", "blank", "blurred", "small"
MISNAMED = "misnamed"

_EXTENSIONS = {
    "JPEG": {".jpg", ".jpeg", ".jpe", ".jfif"},
    "PNG": {".png", ".apng"},
    "WEBP": {".webp"},
    "GIF": {".gif"},
    "BMP": {".bmp", ".dib"},
    "TIFF": {".tif", ".tiff"},
    "AVIF": {".avif"},
    "HEIC": {".heic", ".heif", ".hif"},
    "JPEG2000": {".jp2", ".j2k", ".j2c", ".jpx", ".jpf"},
    "PPM": {".ppm", ".pgm", ".pbm", ".pnm"},
}
_KNOWN_EXTENSIONS = set().union(*_EXTENSIONS.values())
_MEASURED_SIDE = 80
_SMALL_SIDE = 32
_DARK_MEAN = 24.0
_BLANK_DEVIATION = 3.0
_BLURRED_RATIO = 0.14
"""Deviation of the Laplacian over that of the image, at `_MEASURED_SIDE`. Of 396 sharp photographs none was below
0.20; blurred with a Gaussian of 2 places there, nineteen in twenty were below 0.14."""


class Examination(NamedTuple):
    """What an image is: its format, size in pixels (width, height), signature, and remarks."""

    format: str
    size: tuple[int, int]
    signature: bytes
    remarks: tuple[Remark, ...]


def examine(data: bytes, file: str) -> Examination:
    """The examination of a file's bytes; `file` is its name. A JPEG is decoded at a reduced scale.

    Raises BadImage where `decode` would.
    """
    image = opened(data, at_least=_MEASURED_SIDE)
    name = format_of(data) or str(image.source.format)
    remarks = (_wrong_name(file, name), *_treatment(image), *_shown(_measured(image.rgb), min(image.size)))
    return Examination(name, image.size, signature(image.rgb), tuple(remark for remark in remarks if remark))


def _wrong_name(file: str, name: str) -> Remark | None:
    extension = PurePath(file).suffix.lower()
    if extension not in _KNOWN_EXTENSIONS or extension in _EXTENSIONS[name]:
        return None
    return MISNAMED, f"named {extension}, but it is a {name} file; its content decides"


def _treatment(image: Opened) -> list[Remark | None]:
    """What decoding will do beyond reading the pixels."""
    source = image.source
    transparent = source.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in source.info
    turn = turned(source)
    return [
        ("16-bit", "gray of 16 bits, scaled to 8")
        if source.mode.startswith("I") and white_level(source) == SIXTEEN_BITS
        else None,
        ("cmyk", "converted to RGB") if source.mode == "CMYK" else None,
        ("palette", "colors of a palette, converted to RGB") if source.mode in ("P", "PA") else None,
        ("one-bit", "black and white only") if source.mode == "1" else None,
        ("alpha", "transparent areas are shown on white") if transparent else None,
        ("rotated", f"turned upright, as its EXIF orientation {turn} says") if turn else None,
        *image.remarks,
    ]


def _measured(rgb: Image.Image) -> NDArray[np.float32]:
    """Gray values, of a shorter side of `_MEASURED_SIDE` at most."""
    gray = rgb.convert("L")
    scale = _MEASURED_SIDE / min(gray.size)
    if scale < 1:
        size = max(1, round(gray.width * scale)), max(1, round(gray.height * scale))
        gray = gray.resize(size, Image.Resampling.BILINEAR)
    return np.asarray(gray, dtype=np.float32)


def _shown(gray: NDArray[np.float32], shorter_side: int) -> list[Remark | None]:
    """Whether an image is too dark, blank, blurred or small to show much."""
    mean, deviation = float(gray.mean()), float(gray.std())
    blank = deviation < _BLANK_DEVIATION
    sharpness = float(_laplacian(gray).std()) / max(deviation, 1e-6)
    return [
        (SMALL, f"the shorter side has {shorter_side} pixels") if shorter_side < _SMALL_SIDE else None,
        (BLANK, f"nearly one gray: deviation {deviation:.1f} of 255") if blank else None,
        (DARK, f"mean brightness {mean:.0f} of 255") if mean < _DARK_MEAN else None,
        (BLURRED, f"few edges: {sharpness:.2f}, sharp images have over {_BLURRED_RATIO}")
        if not blank and sharpness < _BLURRED_RATIO and shorter_side >= _SMALL_SIDE
        else None,
    ]


def _laplacian(gray: NDArray[np.float32]) -> NDArray[np.float32]:
    center = gray[1:-1, 1:-1]
    edges: NDArray[np.float32] = 4 * center - gray[:-2, 1:-1] - gray[2:, 1:-1] - gray[1:-1, :-2] - gray[1:-1, 2:]
    return edges
