"""Golden images: made, not photographed, and such that any mistake in front of a network changes its answers.

Their sides are longer, shorter and of another shape than any network's input; their three channels differ, and they
have detail that every interpolation shows in its own way.
"""

import base64
import io
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from convlens.core.exported import GoldenImage
from convlens.exports.file import Answered

_SIZES = {"landscape": (260, 390), "portrait": (420, 130), "small": (21, 34), "square": (300, 300)}
"""Height and width by name; the portrait is so tall that Pillow resizes its height first."""

Pixels = NDArray[np.uint8]


def golden_pixels() -> Iterator[tuple[str, Pixels]]:
    """Name and pixels of every image, of shape (H, W, 3)."""
    for seed, (name, (height, width)) in enumerate(_SIZES.items()):
        yield name, _made(height, width, seed)


def golden_image(name: str, pixels: Pixels, expected: Answered, *, judged: bool) -> GoldenImage:
    """The image and what is expected for it, with its p-value where it is `judged`."""
    content = io.BytesIO()
    Image.fromarray(pixels).save(content, "PNG", optimize=True)
    return with_answers(
        GoldenImage(name=name, png=base64.b64encode(content.getvalue()).decode(), answers=[]), expected, judged=judged
    )


def with_answers(image: GoldenImage, expected: Answered, *, judged: bool) -> GoldenImage:
    """The image with what is expected for it now."""
    p_value = float(expected.second[0]) if judged and expected.second is not None else None
    return image.model_copy(update={"answers": expected.answers[0].tolist(), "p_value": p_value})


def pixels_of(image: GoldenImage) -> Pixels:
    """Its pixels, of shape (H, W, 3)."""
    return np.array(Image.open(io.BytesIO(base64.b64decode(image.png, validate=True)), formats=["PNG"]).convert("RGB"))


def _made(height: int, width: int, seed: int) -> Pixels:
    """A slope of colors with waves of several lengths, hard-edged bars and a disc, other ones for every seed."""
    random = np.random.default_rng(seed)
    y, x = np.meshgrid(np.linspace(0, 1, height), np.linspace(0, 1, width), indexing="ij")
    image = np.stack([40 + 170 * x, 200 - 150 * y, 60 + 120 * x * y], axis=-1)
    for channel in range(3):
        angle, waves = random.uniform(0, np.pi), random.uniform(3, 40)
        image[..., channel] += 45 * np.sin(2 * np.pi * waves * (x * np.cos(angle) + y * np.sin(angle)))
    image[(x * random.integers(6, 20)).astype(int) % 2 == 0] *= 0.7
    center = random.uniform(0.3, 0.7, 2)
    image[(y - center[0]) ** 2 + (x - center[1]) ** 2 < 0.04] = random.integers(0, 256, 3)
    return image.clip(0, 255).round().astype(np.uint8)
