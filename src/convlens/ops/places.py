"""Operators that take, repeat, surround or shuffle the places of a tensor."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from convlens.ops.broadcasting import sum_to
from convlens.ops.dense import selection_of
from convlens.ops.moving import COLLECT_LATEX, REARRANGED, collected, moving
from convlens.ops.record import (
    POINTWISE,
    Backward,
    NoRule,
    Reads,
    Scattered,
    Seen,
    Shape,
    Taken,
    Window,
    operator,
    plain,
)

aten = torch.ops.aten

# Repetition: gradients of the copies are added


EXPAND = moving(
    "expand.default",
    aten.expand,
    lambda back, u, *_args, **_kwargs: sum_to(back.upstream, u.shape),
    formula="y = u repeated along axes of length 1;  ∂J/∂u = Σ ∂J/∂y over the copies",
    window=POINTWISE,
)

EXPAND_AS = operator(
    "aten.expand_as.default",
    plain(lambda u, other: u.expand(other.shape)),
    lambda back, u, _other: (sum_to(back.upstream, u.shape) if back.needs[0] else None, None),
    lambda _, u, other: selection_of(u, lambda index: index.expand(other.shape)),
    structure="selection",
    formula="y = u repeated along axes of length 1, to the shape of another tensor;  ∂J/∂u = Σ ∂J/∂y over the copies",
    latex=rf"y_i = u_{{\pi(i)}}, \quad {COLLECT_LATEX}",
)

REPEAT = moving(
    "repeat.default",
    aten.repeat,
    collected(aten.repeat),
    formula="y = u repeated as tiles along each axis;  ∂J/∂u = Σ ∂J/∂y over the tiles",
)


# Parts


def _slice_gradient(
    back: Backward, u: Tensor, dim: int = 0, start: int | None = None, end: int | None = None, step: int = 1
) -> Tensor:
    length = u.shape[dim]
    first, last, _ = slice(start, end).indices(length)
    whole = (first, last, step) == (0, length, 1)
    g: Tensor = back.upstream
    return g if whole else aten.slice_backward(g, u.shape, dim, first, last, step)


def _slice_window(
    _output: Shape, u: Shape, dim: int = 0, start: int | None = None, end: int | None = None, step: int = 1
) -> Seen:
    axis = dim % len(u)
    first = slice(start, end).indices(u[axis])[0]
    others = len(u) - axis - 1
    ones = (1,) * (1 + others)
    return Window(kernel=ones, stride=(step, *ones[1:]), padding=(-first,) + (0,) * others, dilation=ones)


SLICE = moving(
    "slice.Tensor",
    aten.slice,
    _slice_gradient,
    formula="y = u from start to end in steps, along one axis;  ∂J/∂u = ∂J/∂y at those places, 0 elsewhere",
    latex=r"y_i = u_{a + i s}",
    window=_slice_window,
)

NARROW = moving(
    "narrow.default",
    torch.narrow,
    lambda back, u, dim, start, length: aten.slice_backward(back.upstream, u.shape, dim, start, start + length, 1),
    formula="y = `length` places of u from `start` on, along one axis;  ∂J/∂u = ∂J/∂y at those places, 0 elsewhere",
    latex=r"y_i = u_{a + i}",
    window=lambda output, u, dim, start, length: _slice_window(output, u, dim, start, start + length),
)

SELECT = moving(
    "select.int",
    torch.select,
    lambda back, u, dim, index: aten.select_backward(back.upstream, u.shape, dim, index),
    formula="y = u at one place of one axis, which falls away;  ∂J/∂u = ∂J/∂y at that place, 0 elsewhere",
    latex=r"y_{\dots} = u_{\dots a \dots}",
    window=lambda _output, u, dim, index: Taken(dim % len(u), index % u[dim]),
)


def _pad_gradient(back: Backward, u: Tensor, pad: Any, mode: str = "constant", value: float | None = None) -> Tensor:
    if mode == "constant":
        return F.pad(back.upstream, [-p for p in pad])
    return collected(lambda index: F.pad(index.double(), list(pad), mode).long())(back, u)


def _pad_window(_output: Shape, u: Shape, pad: Any, mode: str = "constant", value: float | None = None) -> Seen:
    before = tuple(reversed(pad[::2]))  # the pairs run from the last axis to the first
    if mode != "constant":
        margins = zip(range(len(u) - len(before), len(u)), before, reversed(pad[1::2]), strict=True)
        padded = tuple(axis for axis, low, high in margins if low or high)
        return Scattered(padded, f"{mode} padding shows places near the edge a second time")
    ones = (1,) * len(before)
    return Window(kernel=ones, stride=ones, padding=before, dilation=ones)


PAD = operator(
    "aten.pad.default",
    plain(F.pad),
    lambda back, u, *args: (_pad_gradient(back, u, *args),),
    lambda _, u, pad, mode="constant", value=None: selection_of(
        u, lambda index: F.pad(index.double(), list(pad), mode).long()
    ),
    structure="selection",
    formula="y = u with a margin of a constant (or of repeated places) around it;  ∂J/∂u = ∂J/∂y without the margin "
    "(the margin's gradient is added where its values came from)",
    latex=rf"y_i = u_{{i - p}}\ \mathrm{{inside}}, \quad {COLLECT_LATEX}",
    window=_pad_window,
)


# Places in another order


FLIP = moving(
    "flip.default",
    torch.flip,
    lambda back, _, dims: back.upstream.flip(dims),
    formula="y = u in reverse order along some axes;  ∂J/∂u = ∂J/∂y reversed again",
    latex=r"y_i = u_{n - 1 - i}",
    window=lambda _output, u, dims: Scattered(
        tuple(axis % len(u) for axis in dims), "a reversed axis cannot be written as a window with a stride"
    ),
)

ROLL = moving(
    "roll.default",
    torch.roll,
    lambda back, _, shifts, dims=(): back.upstream.roll([-shift for shift in shifts], dims),
    formula="y = u shifted in a circle along some axes;  ∂J/∂u = ∂J/∂y shifted back",
    latex=r"y_i = u_{(i - s) \bmod n}",
    window=lambda _output, u, _shifts, dims=(): Scattered(
        tuple(axis % len(u) for axis in dims or range(len(u))), "a circular shift brings the far edge to the near one"
    ),
)


def _unshuffle_window(_output: Shape, _u: Shape, factor: int) -> Seen:
    """The channels of one output place show a square of input places."""
    sides = (factor, factor)
    return Window(kernel=sides, stride=sides, padding=(0, 0), dilation=(1, 1))


PIXEL_SHUFFLE = moving(
    "pixel_shuffle.default",
    torch.pixel_shuffle,
    lambda back, _, factor: aten.pixel_unshuffle(back.upstream, factor),
    formula="y[n, i r + a, j r + b] = u[n r² + a r + b, i, j];  ∂J/∂u = ∂J/∂y moved back",
    latex=r"y_{n,\ i r + a,\ j r + b} = u_{n r^2 + a r + b,\ i,\ j}",
    window=NoRule("several output places see one input place"),
)

PIXEL_UNSHUFFLE = moving(
    "pixel_unshuffle.default",
    torch.pixel_unshuffle,
    lambda back, _, factor: aten.pixel_shuffle(back.upstream, factor),
    formula="y[n r² + a r + b, i, j] = u[n, i r + a, j r + b];  ∂J/∂u = ∂J/∂y moved back",
    latex=r"y_{n r^2 + a r + b,\ i,\ j} = u_{n,\ i r + a,\ j r + b}",
    window=_unshuffle_window,
)

CHANNEL_SHUFFLE = moving(
    "channel_shuffle.default",
    aten.channel_shuffle,
    lambda back, u, groups: aten.channel_shuffle(back.upstream, u.shape[1] // groups),
    formula="y[j g + i] = u[i n/g + j] for g groups of channels;  ∂J/∂u = ∂J/∂y shuffled back",
    latex=r"y_{j g + i} = u_{i n / g + j}",
    window=POINTWISE,
)


# Places named by index tensors


def _index_gradient(back: Backward, u: Tensor, indices: Any) -> tuple[Any, ...]:
    du = aten.index_put(back.upstream.new_zeros(u.shape), indices, back.upstream, True)
    return (du, *(None for _ in back.needs[1:]))


INDEX = operator(
    "aten.index.Tensor",
    plain(aten.index),
    _index_gradient,
    lambda _, u, indices: selection_of(u, lambda index: aten.index(index, indices)),
    structure="selection",
    formula="y = u at the places that index tensors name;  ∂J/∂u = Σ ∂J/∂y over the times that a place is named",
    latex=rf"y_i = u_{{\pi(i)}}, \quad {COLLECT_LATEX}",
    reads=lambda needs: Reads(tuple(range(1, len(needs)))),
    window=REARRANGED,
)
