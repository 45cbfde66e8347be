"""Tensors as images: feature maps in tiles, heat maps over an input, filters; all as PNG data URIs."""

import base64
import io
import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from convlens.core.explanation import Maps

_NEGATIVE, _POSITIVE = (0, 90, 181), (220, 90, 0)
"""A blue and an orange that color-blind people tell apart."""
_LEVELS = 32
"""Steps of gray, and of each color: fewer compress better, more are not seen at this size."""


def strongest_maps(value: Tensor, count: int, side: int) -> Maps | None:
    """The channels of (channels, height, width) with the largest mean size, as tiles of at most `side` pixels."""
    if value.ndim == 2:
        value = value[:, None, :]
    if value.ndim != 3 or value.shape[-1] < 2:
        return None
    strength = value.abs().mean((1, 2))
    channels = strength.topk(min(count, len(value))).indices.tolist()
    return tiles(value[channels], channels, side)


def tiles(maps: Tensor, channels: Sequence[int], side: int) -> Maps:
    """Maps of shape (N, height, width) as one image. Each is scaled on its own; signed ones keep zero white."""
    signed = bool((maps < 0).any())
    columns = min(len(maps), 8 if len(maps) > 4 else 4)
    rows = -(-len(maps) // columns)
    shrunk = _shrunk(maps, side)
    height, width = shrunk.shape[1:]
    sheet = torch.zeros(rows * (height + 1), columns * (width + 1))
    for i, one in enumerate(shrunk):
        top, left = (i // columns) * (height + 1), (i % columns) * (width + 1)
        sheet[top : top + height, left : left + width] = _scaled(one, signed)
    image = _signed_colors(sheet) if signed else _gray(sheet)
    return Maps(image=data_uri(image), channels=list(channels), columns=columns, rows=rows, signed=signed)


def filter_tiles(weight: Tensor, count: int, side: int) -> Maps | None:
    """The first filters of a layer on colors, (filters, 3, height, width), in color; None for other layers."""
    if weight.ndim != 4 or weight.shape[1] != 3 or weight.shape[-1] < 3:
        return None
    chosen = weight[:count].float()
    scale = chosen.abs().amax((1, 2, 3), keepdim=True).clamp(min=1e-12)
    pixels = F.interpolate((chosen / scale + 1) / 2, size=(side, side), mode="nearest")
    columns = min(len(pixels), 8)
    rows = -(-len(pixels) // columns)
    sheet = torch.full((3, rows * (side + 1), columns * (side + 1)), 0.5)
    for i, one in enumerate(pixels):
        top, left = (i // columns) * (side + 1), (i % columns) * (side + 1)
        sheet[:, top : top + side, left : left + side] = one
    return Maps(
        image=data_uri(_color_image(sheet)), channels=list(range(len(chosen))), columns=columns, rows=rows, signed=True
    )


def shown_image(pixels: Tensor) -> str:
    """An image of values in 0..1, shape (1 or 3, height, width)."""
    return data_uri(_color_image(pixels.clamp(0, 1)) if len(pixels) == 3 else _gray(pixels[0].clamp(0, 1)))


def input_image(x: Tensor) -> str | None:
    """A network's input of shape (1, 1 or 3, height, width), its least value black and its largest white; else None."""
    if x.ndim != 4 or x.shape[1] not in (1, 3):
        return None
    pixels = x[0].detach().float()
    low, high = pixels.aminmax()
    return shown_image((pixels - low) / (high - low).clamp(min=1e-12))


def heat_map(strength: Tensor, size: tuple[int, int]) -> str:
    """Values of shape (height, width), at least 0, as an orange layer that is opaque where they are largest."""
    strength = F.interpolate(strength[None, None], size=size, mode="bilinear", align_corners=False)[0, 0]
    alpha = (strength / strength.max().clamp(min=1e-12)).clamp(0, 1)
    image = Image.fromarray((alpha * (_LEVELS - 1)).round().to(torch.uint8).numpy(), "P")
    image.putpalette(_POSITIVE * _LEVELS)
    image.info["transparency"] = bytes(round(level * 230 / (_LEVELS - 1)) for level in range(_LEVELS))
    return data_uri(image)


def data_uri(image: Image.Image) -> str:
    """The image as a PNG file within an address."""
    buffer = io.BytesIO()
    image.save(buffer, format="PNG")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


def _shrunk(maps: Tensor, side: int) -> Tensor:
    height, width = maps.shape[1:]
    scale = side / max(height, width)
    if scale < 1:
        size = (max(1, round(height * scale)), max(1, round(width * scale)))
        return F.adaptive_avg_pool2d(maps[None].float(), size)[0]
    factor = max(1, math.floor(scale))
    return maps.float().repeat_interleave(factor, 1).repeat_interleave(factor, 2)


def _scaled(one: Tensor, signed: bool) -> Tensor:
    """Signed maps in -1..1, others in 0..1."""
    if signed:
        return one / one.abs().max().clamp(min=1e-12)
    return one / one.max().clamp(min=1e-12)


def _gray(values: Tensor) -> Image.Image:
    steps = (values * (_LEVELS - 1)).round() * (255 / (_LEVELS - 1))
    return Image.fromarray(steps.to(torch.uint8).numpy(), "L")


def _color_image(pixels: Tensor) -> Image.Image:
    return Image.fromarray((pixels * 255).round().to(torch.uint8).permute(1, 2, 0).contiguous().numpy(), "RGB")


def _signed_colors(values: Tensor) -> Image.Image:
    """White at zero, blue for negative and orange for positive values, of -1..1."""
    image = Image.fromarray(((values + 1) * _LEVELS).round().to(torch.uint8).numpy(), "P")
    image.putpalette(_PALETTE)
    return image


def _mixed(strength: float) -> tuple[int, ...]:
    color = _NEGATIVE if strength < 0 else _POSITIVE
    return tuple(round(255 * (1 - abs(strength)) + part * abs(strength)) for part in color)


_PALETTE = [part for level in range(2 * _LEVELS + 1) for part in _mixed(level / _LEVELS - 1)]
"""From blue over white to orange."""
