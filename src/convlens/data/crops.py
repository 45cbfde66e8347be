"""Crops: whether an image is a part of another one, resized or not, by looking for it there."""

import io

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

_COARSE_SIDE, _FINE_SIDE = 32, 64
"""Pixels of the longer side of the whole, in which the part is looked for."""
_COARSE_SCALES = 0.93 ** np.arange(0.5, 13)
"""Of the part's longer side to the whole's: from 96% to 40%."""
_FINE_STEPS = 0.98 ** np.arange(-4, 5)
"""Times the best coarse scale."""
_LEAST_COARSE = 0.7
"""Correlation at which it is worth to look closer."""
_LEAST_PART = 0.18
"""Of the whole's longer side, for a part's shorter side: what is smaller is found by chance."""
LEAST_CORRELATION = 0.92
"""Of 60 photographs of ants and bees, cropped to 50% to 90% of their sides and saved again, 59 reach it in the
original, and 56 of 60 of Tiny ImageNet; of 852 pairs of the most similar different images none does: at most 0.87."""
_LEAST_DEVIATION = 8.0
"""In 8-bit levels: what is flatter is found everywhere."""


def best_crop(part: bytes, whole: bytes) -> float:
    """The highest correlation of the luma of an image with that of any part of another one; both are JPEGs.

    The part may be cropped and resized, and has 40% to 96% of the longer side of the whole. 0 where it has no
    contrast, or nothing like it is there at a first look. (Normalized cross-correlation: Lewis, Fast template matching,
    1995, equation 2.)
    """
    small, large = _luma(part), _luma(whole)
    first, scale = max((_at_scale(small, large, scale, _COARSE_SIDE), scale) for scale in _COARSE_SCALES)
    if first < _LEAST_COARSE:
        return 0.0
    return max(_at_scale(small, large, scale * step, _FINE_SIDE) for step in _FINE_STEPS)


def _at_scale(small: Image.Image, large: Image.Image, scale: float, side: int) -> float:
    """The best correlation over all places, the whole resized to `side` pixels and the part to `scale` times that."""
    whole = _fitting(large, side / max(large.size))
    size = _fitting(small, scale * side / max(small.size))
    if min(size) < _LEAST_PART * side or size[0] > whole[0] or size[1] > whole[1] or size == whole:
        return 0.0
    return _correlation(_resized(small, size), _resized(large, whole))


def _correlation(template: Tensor, field: Tensor) -> float:
    """The highest over all places."""
    count = template.numel()
    centered = template - template.mean()
    norm = centered.norm()
    if norm < _LEAST_DEVIATION * count**0.5:
        return 0.0
    kernel, image = centered[None, None], field[None, None]
    shared = F.conv2d(image, kernel)
    ones = torch.ones_like(kernel)
    means, squares = F.conv2d(image, ones) / count, F.conv2d(image.square(), ones)
    deviations = (squares - count * means.square()).clamp(min=0).sqrt()
    found = torch.where(deviations > _LEAST_DEVIATION * count**0.5, shared / (norm * deviations), 0.0)
    return float(found.max())


def _luma(jpeg: bytes) -> Image.Image:
    return Image.open(io.BytesIO(jpeg)).convert("L")


def _fitting(image: Image.Image, scale: float) -> tuple[int, int]:
    return max(1, round(image.width * scale)), max(1, round(image.height * scale))


def _resized(image: Image.Image, size: tuple[int, int]) -> Tensor:
    pixels: NDArray[np.float32] = np.array(image.resize(size, Image.Resampling.BOX), dtype=np.float32)
    return torch.from_numpy(pixels)
