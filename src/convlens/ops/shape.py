"""Operators that give a tensor another shape, or its axes another order."""

from typing import Any

import torch
from torch import Tensor

from convlens.ops.dense import selection_of
from convlens.ops.moving import COLLECT_LATEX, moving
from convlens.ops.record import (
    POINTWISE,
    RESHAPED,
    Backward,
    operator,
    plain,
    reordered,
)

aten = torch.ops.aten

# New shape, same order of elements


def _reshaped(back: Backward, u: Tensor, *_args: Any, **_kwargs: Any) -> Tensor:
    gradient: Tensor = back.upstream.reshape(u.shape)
    return gradient


VIEW, RESHAPE, FLATTEN, UNFLATTEN, SQUEEZE, SQUEEZE_DIM, SQUEEZE_DIMS, UNSQUEEZE = (
    moving(
        name,
        forward,
        _reshaped,
        formula=f"y = u {words};  ∂J/∂u = ∂J/∂y in the shape of u",
        latex=r"y_i = u_i\ \mathrm{(in\ order\ of\ memory)}",
        window=RESHAPED,
    )
    for name, forward, words in (
        ("view.default", aten.reshape, "in another shape, without a copy"),
        ("reshape.default", torch.reshape, "in another shape"),
        ("flatten.using_ints", torch.flatten, "with several axes made one"),
        ("unflatten.int", torch.unflatten, "with one axis made several"),
        ("squeeze.default", torch.squeeze, "without its axes of length 1"),
        ("squeeze.dim", torch.squeeze, "without an axis of length 1"),
        ("squeeze.dims", torch.squeeze, "without these axes of length 1"),
        ("unsqueeze.default", torch.unsqueeze, "with a new axis of length 1"),
    )
)

VIEW_AS, RESHAPE_AS = (
    operator(
        f"aten.{name}.default",
        plain(lambda u, other: u.reshape(other.shape)),
        lambda back, u, _other: (back.upstream.reshape(u.shape) if back.needs[0] else None, None),
        lambda _, u, other: selection_of(u, lambda index: index.reshape(other.shape)),
        structure="selection",
        formula="y = u in the shape of another tensor;  ∂J/∂u = ∂J/∂y in the shape of u",
        latex=rf"y_i = u_i\ \mathrm{{(in\ order\ of\ memory)}}, \quad {COLLECT_LATEX}",
        window=RESHAPED,
    )
    for name in ("view_as", "reshape_as")
)

CONTIGUOUS, CLONE, ALIAS, LIFT_FRESH_COPY = (
    moving(
        name,
        forward,
        lambda back, *_args, **_kwargs: back.upstream,
        formula=f"y = u {words};  ∂J/∂u = ∂J/∂y",
        latex="y = u",
        window=POINTWISE,
    )
    for name, forward, words in (
        ("contiguous.default", aten.contiguous, "in contiguous memory"),
        ("clone.default", aten.clone, "in memory of its own"),
        ("alias.default", aten.alias, "under another name"),
        ("lift_fresh_copy.default", aten.clone, "as a fresh constant"),
    )
)


# Axes in another order


def _inverse(order: Any, ndim: int) -> list[int]:
    return sorted(range(ndim), key=lambda axis: order[axis] % ndim)


def _exchanged(ndim: int, a: int, b: int) -> list[int]:
    order = [*range(ndim)]
    order[a], order[b] = order[b], order[a]
    return order


def _moved(ndim: int, source: int, destination: int) -> list[int]:
    order = [axis for axis in range(ndim) if axis != source % ndim]
    order.insert(destination % ndim, source % ndim)
    return order


PERMUTE = moving(
    "permute.default",
    torch.permute,
    lambda back, u, order: back.upstream.permute(_inverse(order, u.ndim)),
    formula="y = u with its axes in another order;  ∂J/∂u = ∂J/∂y with the axes put back",
    window=lambda _output, _u, order: reordered(order),
)

TRANSPOSE, SWAPAXES = (
    moving(
        name,
        torch.transpose,
        lambda back, _, a, b: back.upstream.transpose(a, b),
        formula="y = u with two axes exchanged;  ∂J/∂u = ∂J/∂y with them exchanged again",
        latex=r"y_{\dots a \dots b \dots} = u_{\dots b \dots a \dots}",
        window=lambda _output, u, a, b: reordered(_exchanged(len(u), a, b)),
    )
    for name in ("transpose.int", "swapaxes.default")
)

MATRIX_TRANSPOSE = moving(
    "mT.default",
    lambda u: u.mT,
    lambda back, _: back.upstream.mT,
    formula="y = uᵀ (last two axes);  ∂J/∂u = (∂J/∂y)ᵀ",
    latex=r"y = u^\top",
    window=lambda _output, u: reordered(_exchanged(len(u), -2, -1)),
)

T, NUMPY_T = (
    moving(
        name,
        lambda u: u.permute(*range(u.ndim - 1, -1, -1)),
        lambda back, u: back.upstream.permute(*range(u.ndim - 1, -1, -1)),
        formula="y = uᵀ (axes in reverse order);  ∂J/∂u = (∂J/∂y)ᵀ",
        latex=r"y = u^\top",
        window=lambda _output, u: reordered(reversed(range(len(u)))),
    )
    for name in ("t.default", "numpy_T.default")
)

MOVEDIM = moving(
    "movedim.int",
    torch.movedim,
    lambda back, _, source, destination: back.upstream.movedim(destination, source),
    formula="y = u with one axis moved;  ∂J/∂u = ∂J/∂y with it moved back",
    window=lambda _output, u, source, destination: reordered(_moved(len(u), source, destination)),
)
