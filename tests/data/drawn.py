"""Images drawn for tests: arrays, encoded files, and folders of small files that no two times hold the same bytes."""

import io
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image


def slopes(width: int = 160, height: int = 120) -> Image.Image:
    """A smooth RGB image without any symmetry: red grows to the right, green downwards, blue to the lower left."""
    y, x = np.mgrid[0:height, 0:width]
    red, green = 255 * x / (width - 1), 255 * y / (height - 1)
    return Image.fromarray(np.stack([red, green, (255 - red + green) / 2], axis=-1).round().astype(np.uint8))


def noise(width: int = 160, height: int = 120, seed: int = 0) -> Image.Image:
    """An RGB image that compresses badly, so that a cut falls within the pixels."""
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8))


def encoded(image: Image.Image, format: str, **options: Any) -> bytes:  # noqa: A002  (Pillow's own name)
    """The bytes of a file of that format."""
    file = io.BytesIO()
    image.save(file, format, **options)
    return file.getvalue()


def oriented(orientation: int) -> Image.Exif:
    """An EXIF block that says nothing but the orientation."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


def mean_color(pixels: NDArray[np.uint8]) -> list[float]:
    """The mean of each channel, of pixels of shape (H, W, 3)."""
    return [float(value) for value in pixels.mean(axis=(0, 1))]


def put(path: Path, content: bytes | str | None = None) -> Path:
    """A file with these bytes, or with bytes that only a file of this path has; scanning needs no image."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if content is None:
        content = f"the bytes of {path!r}"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path
