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


class _Along(NamedTuple):
    """How one axis is resized: scalars of float64, but for the edges, which Pillow holds as float32."""

    start: Tensor
    end: Tensor
    """The edges of the part that is resized, in pixels of the image."""
    length: Tensor
    """Pixels that this part becomes."""
    first: Tensor
    """The place of their first in the network's input; below 0 where a crop cuts them off."""


def resized_center(pixels: Tensor, preprocessing: Preprocessing) -> Tensor:
    """What a network is shown of every image, exactly as `data.decode` gives it.

    From `pixels` of shape (N, H, W, 3), uint8, all of one size, to (N, 3, size, size): float64, whole numbers 0..255.
    """
    size, interpolation = preprocessing.size, preprocessing.interpolation
    height, width = (torch.scalar_tensor(pixels.shape[axis], dtype=torch.float64) for axis in (1, 2))
    rows, columns = _between_bars(height, width, size) if preprocessing.bars else _center(height, width, preprocessing)
    along_height = _weights(pixels.shape[1], rows, size, interpolation)
    along_width = _weights(pixels.shape[2], columns, size, interpolation)
    channels = pixels.permute(0, 3, 1, 2).to(torch.float64)
    width_first = _rounded(along_height @ _rounded(channels @ along_width.T))
    height_first = _rounded(_rounded(along_height @ channels) @ along_width.T)
    fewer_rows, fewer_columns = height - rows.length, width - columns.length
    tall = (fewer_rows > 0) & (fewer_rows > fewer_columns * 2)  # where Pillow begins with the height
    shown = torch.where(tall, height_first, width_first)
    if preprocessing.bars is None:
        return shown
    covered = _covered(rows, size).unsqueeze(1) & _covered(columns, size).unsqueeze(0)
    return torch.where(covered, shown, torch.tensor(preprocessing.bars, dtype=torch.float64).view(3, 1, 1))


def _center(height: Tensor, width: Tensor, preprocessing: Preprocessing) -> tuple[_Along, _Along]:
    """Rows and columns of the central crop, where the shorter side or both are resized to `resize` pixels."""
    whole = preprocessing.with_margin().size
    shorter = torch.minimum(height, width)
    spans = []
    for length in (height, width):
        part = (length if preprocessing.squash else shorter) * whole / preprocessing.resize
        start = (length - part) / 2
        spans.append(_along(start, start + part, whole, -preprocessing.margin))
    return spans[0], spans[1]


def _between_bars(height: Tensor, width: Tensor, side: int) -> tuple[_Along, _Along]:
    """Rows and columns of a whole image whose longer side is resized to `side` pixels, in the middle of a square."""
    scale = side / torch.maximum(height, width)
    spans = []
    for length in (height, width):
        resized = torch.round(length * scale).clamp(min=1.0)
        spans.append(_along(torch.zeros_like(length), length, resized, torch.floor((side - resized) / 2)))
    return spans[0], spans[1]


def _along(start: Tensor, end: Tensor, length: Tensor | int, first: Tensor | int) -> _Along:
    float64 = (torch.as_tensor(number, dtype=torch.float64) for number in (length, first))
    return _Along(start.to(torch.float32), end.to(torch.float32), *float64)


def _covered(along: _Along, size: int) -> Tensor:
    """Which of the `size` places of the input show a part of the image, (size,)."""
    place = torch.arange(size, dtype=torch.float64) - along.first
    return (place >= 0) & (place < along.length)


def _weights(pixels: int, along: _Along, size: int, interpolation: Interpolation) -> Tensor:
    """Integers in float64, (size, pixels): what each pixel of the axis counts in each place, times 2^22."""
    scale = (along.end - along.start).to(torch.float64) / along.length
    stretch = scale.clamp(min=1.0)
    support = _SUPPORT[interpolation] * stretch
    resized = torch.arange(size, dtype=torch.float64) - along.first
    center = along.start.to(torch.float64) + (resized + 0.5) * scale
    first = (center - support + 0.5).trunc().unsqueeze(1)
    last = (center + support + 0.5).trunc().unsqueeze(1)
    place = torch.arange(pixels, dtype=torch.float64).unsqueeze(0)
    inside = (place >= first) & (place < last)
    values = _filtered((place - center.unsqueeze(1) + 0.5) / stretch, interpolation) * inside
    total = values.sum(dim=1, keepdim=True)
    shares = values / torch.where(total == 0, 1.0, total) * 2**_PRECISION_BITS  # 0 where bars are, beyond the image
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
