"""Facts about a file of an image that do not need its pixels: size, quality, the camera and when it was used."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from convlens.data.decode import THUMBNAIL_SIDE, opened

_MAKE, _MODEL, _EXIF, _TAKEN = 0x010F, 0x0110, 0x8769, 0x9003
_MINUTE = len("2026:11:28 12:34")
_STANDARD_MEAN = 57.625
"""Of the luma table of quality 50, ITU-T T.81, table K.1."""


class FileFacts(NamedTuple):
    """Of one file."""

    bytes: int
    width: int
    height: int
    quality: float | None
    """Of a JPEG, as libjpeg counts it, from 1 to 100, by the mean of its first quantization table."""
    camera: str
    """Make and model; "" where the file does not say."""
    minute: str
    """When the image was taken, to the minute; "" where the file does not say."""

    @property
    def megapixels(self) -> float:
        """Millions of pixels."""
        return self.width * self.height / 1e6

    @property
    def aspect_ratio(self) -> float:
        """Width over height, as the file holds it."""
        return self.width / self.height


def file_facts(path: Path) -> FileFacts:
    """The facts, from the head of the file. Raises OSError or BadImage where it gives no image."""
    with _opened(path) as image:
        width, height = image.size
        camera, minute = _exif(image)
        return FileFacts(path.stat().st_size, width, height, _quality(image), camera, minute)


def _opened(path: Path) -> Image.Image:
    try:
        return Image.open(path)
    except (OSError, SyntaxError, ValueError):  # a file that has to be mended first
        return opened(path.read_bytes(), at_least=THUMBNAIL_SIDE).source


def _exif(image: Image.Image) -> tuple[str, str]:
    try:
        exif = image.getexif()
        named = [_text(exif.get(tag)) for tag in (_MAKE, _MODEL)]
        taken = _text(exif.get_ifd(_EXIF).get(_TAKEN))
    except Exception:  # a malformed EXIF block says nothing against the image, and nothing about it
        return "", ""
    return " ".join(filter(None, named)), taken[:_MINUTE] if len(taken) >= _MINUTE and taken.strip(": 0") else ""


def _text(value: object) -> str:
    return str(value).strip("\0 ") if value is not None else ""


def _quality(image: Image.Image) -> float | None:
    tables = getattr(image, "quantization", None)
    if image.format != "JPEG" or not tables:
        return None
    scale = 100 * float(np.mean(tables[min(tables)])) / _STANDARD_MEAN
    return min(100.0, 100 - scale / 2 if scale <= 100 else 5000 / scale)
