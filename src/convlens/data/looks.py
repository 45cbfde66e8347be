"""Looks: what an image looks like, in a few numbers."""

import io
from typing import NamedTuple

import numpy as np
from PIL import Image

_BORDER = 0.06
"""Of each side."""


class Look(NamedTuple):
    """Of an image, small; in 8-bit levels but for the sharpness."""

    brightness: float
    red: float
    """Less the mean of all channels, as blue is."""
    blue: float
    contrast: float
    """Standard deviation of the brightness over the places."""
    border: float
    """Brightness of the outermost 6% of each side."""
    sharpness: float
    """Standard deviation of the Laplacian over that of the brightness; 0 for an image of one brightness."""


def look(jpeg: bytes) -> Look:
    """The look of a thumbnail."""
    pixels = np.asarray(Image.open(io.BytesIO(jpeg)).convert("RGB"), dtype=np.float64)
    luma = pixels.mean(2)
    height, width = (max(1, round(_BORDER * side)) for side in luma.shape)
    inner = np.zeros(luma.shape, dtype=bool)
    inner[height:-height, width:-width] = True
    red, _, blue = pixels.mean((0, 1)) - pixels.mean()
    contrast = float(luma.std())
    laplacian = 4 * luma[1:-1, 1:-1] - luma[:-2, 1:-1] - luma[2:, 1:-1] - luma[1:-1, :-2] - luma[1:-1, 2:]
    return Look(
        brightness=float(luma.mean()),
        red=float(red),
        blue=float(blue),
        contrast=contrast,
        border=float(luma[~inner].mean()),
        sharpness=float(laplacian.std()) / contrast if contrast else 0.0,
    )
