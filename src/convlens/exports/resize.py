"""Pillow's resize as tensor operations, for graphs that leave: every pixel the same, for images of any size.

Pillow (from 13 on) resizes in two passes, along the width and along the height, each a sum of a few pixels with
weights in fixed point, rounded to 8 bits (its src/libImaging/Resample.c). Here both passes are products with matrices
that are built from the image's size, in float64, in which these sums of integers are exact. Nothing depends on a size
that is known in advance, so that a graph traced once takes every image.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from convlens.core.preprocessing import Interpolation, Preprocessing

_PRECISION_BITS = 22
"""Pillow's, for 8-bit channels: 32 − 8 − 2."""
_BICUBIC_A = -0.5
_SUPPORT: dict[Interpolation, float] = {"bilinear": 1.0, "bicubic": 2.0}


class Span(NamedTuple):
    """The part of an axis that is resized: its edges in pixels, scalars of float32, as Pillow holds them."""

    start: Tensor
    end: Tensor


def resized_center(pixels: Tensor, preprocessing: Preprocessing) -> Tensor:
    """The network's crop of every image, exactly as `data.decode` gives it.

    From `pixels` of shape (N, H, W, 3), uint8, all of one size, to (N, 3, size, size): float64, whole numbers 0..255.
    """
    whole = preprocessing.with_margin().size
    height, width = (torch.scalar_tensor(pixels.shape[axis], dtype=torch.float64) for axis in (1, 2))
    shorter = torch.minimum(height, width)
    rows, columns = (
        _span(length, (length if preprocessing.squash else shorter) * whole / preprocessing.resize)
        for length in (height, width)
    )
    crop = slice(preprocessing.margin, preprocessing.margin + preprocessing.size)
    along_width = _weights(pixels.shape[2], columns, whole, preprocessing.interpolation)[crop]
    along_height = _weights(pixels.shape[1], rows, whole, preprocessing.interpolation)[crop]
    channels = pixels.permute(0, 3, 1, 2).to(torch.float64)
    width_first = _rounded(along_height @ _rounded(channels @ along_width.T))
    height_first = _rounded(_rounded(along_height @ channels) @ along_width.T)
    tall = (height > whole) & (height - whole > (width - whole) * 2)  # where Pillow begins with the height
    return torch.where(tall, height_first, width_first)


def _span(length: Tensor, shown: Tensor) -> Span:
    """The central `shown` pixels of an axis."""
    start = (length - shown) / 2
    return Span(start.to(torch.float32), (start + shown).to(torch.float32))


def _weights(length: int, span: Span, size: int, interpolation: Interpolation) -> Tensor:
    """Integers in float64, (size, length): what each pixel of the axis counts in each resized one, times 2^22."""
    scale = (span.end - span.start).to(torch.float64) / size
    stretch = scale.clamp(min=1.0)
    support = _SUPPORT[interpolation] * stretch
    center = span.start.to(torch.float64) + (torch.arange(size, dtype=torch.float64) + 0.5) * scale
    first = (center - support + 0.5).trunc().unsqueeze(1)
    last = (center + support + 0.5).trunc().unsqueeze(1)
    place = torch.arange(length, dtype=torch.float64).unsqueeze(0)
    inside = (place >= first) & (place < last)
    values = _filtered((place - center.unsqueeze(1) + 0.5) / stretch, interpolation) * inside
    shares = values / values.sum(dim=1, keepdim=True) * 2**_PRECISION_BITS
    return torch.trunc(shares + torch.where(shares < 0, -0.5, 0.5))


def _filtered(x: Tensor, interpolation: Interpolation) -> Tensor:
    distance = x.abs()
    if interpolation == "bilinear":
        return (1.0 - distance).clamp(min=0.0)
    a = _BICUBIC_A
    near = ((a + 2.0) * distance - (a + 3.0)) * distance * distance + 1
    far = (((distance - 5) * distance + 8) * distance - 4) * a
    return torch.where(distance < 1.0, near, torch.where(distance < 2.0, far, 0.0))


def _rounded(sums: Tensor) -> Tensor:
    """To 8 bits, halves upwards."""
    return torch.floor((sums + 2 ** (_PRECISION_BITS - 1)) / 2**_PRECISION_BITS).clamp(0, 255)
