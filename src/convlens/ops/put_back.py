"""Operators that put a part into a whole: what writes into slices and views become when nothing is changed in place."""

from typing import Any

import torch
from torch import Tensor

from convlens.ops.broadcasting import sum_to
from convlens.ops.dense import selection_of
from convlens.ops.moving import COLLECT_LATEX, REARRANGED, moving
from convlens.ops.record import (
    Backward,
    Gradients,
    Inserted,
    Local,
    NoRule,
    Operator,
    Reads,
    Seen,
    Shape,
    operator,
    plain,
)

aten = torch.ops.aten

_LATEX = (
    r"y_i = v_{\pi(i)}\ \mathrm{inside},\ u_i\ \mathrm{outside}, \quad \frac{\partial J}{\partial u_i} = "
    r"\frac{\partial J}{\partial y_i}\ \mathrm{outside},\ 0\ \mathrm{inside}, \quad "
    r"\frac{\partial J}{\partial v_j} = \frac{\partial J}{\partial y_{\pi^{-1}(j)}}"
)


def _putting(name: str, put: Any, take: Any, words: str, window: Any) -> Operator:
    """The record of y = u, with v at the places that `take` takes."""

    def gradient(back: Backward, _u: Tensor, v: Tensor, *place: Any) -> Gradients:
        g = back.upstream
        return (
            put(g, g.new_zeros(v.shape), *place) if back.needs[0] else None,
            take(g, *place) if back.needs[1] else None,
        )

    def local_gradient(local: Local, u: Tensor, v: Tensor, *place: Any) -> Tensor:
        if local.wrt == 0:
            return selection_of(u, lambda index: put(index, torch.zeros_like(v, dtype=torch.long), *place))
        return selection_of(v, lambda index: put(torch.zeros_like(u, dtype=torch.long), index, *place))

    return operator(
        f"aten.{name}",
        plain(put),
        gradient,
        local_gradient,
        structure="selection",
        formula=f"y = u, with v {words};  ∂J/∂u = ∂J/∂y, 0 there,  ∂J/∂v = ∂J/∂y there",
        latex=_LATEX,
        window=window,
    )


def _slice_window(
    _output: Shape, u: Shape, _v: Shape, dim: int = 0, start: int | None = None, end: int | None = None, step: int = 1
) -> Seen:
    axis = dim % len(u)
    return Inserted(axis=axis, start=slice(start, end).indices(u[axis])[0], step=step)


SLICE_SCATTER = _putting(
    "slice_scatter.default", aten.slice_scatter, aten.slice, "from start to end in steps, along one axis", _slice_window
)

SELECT_SCATTER = _putting(
    "select_scatter.default",
    aten.select_scatter,
    aten.select,
    "at one place of one axis",
    lambda _output, u, _v, dim, index: Inserted(axis=dim % len(u), start=index % u[dim], removed=True),
)

DIAGONAL_SCATTER = _putting(
    "diagonal_scatter.default",
    aten.diagonal_scatter,
    aten.diagonal,
    "on a diagonal of two axes",
    NoRule("places of one axis meet those of another"),
)

DIAGONAL = moving(
    "diagonal.default",
    aten.diagonal,
    lambda back, u, offset=0, a=0, b=1: aten.diagonal_backward(back.upstream, u.shape, offset, a, b),
    formula="y = u where the places along two axes are equal;  ∂J/∂u = ∂J/∂y there, 0 elsewhere",
    latex=r"y_{\dots i} = u_{\dots i \dots i \dots}",
)


def _index_put_gradient(back: Backward, _u: Tensor, indices: Any, v: Tensor, accumulate: bool = False) -> Gradients:
    g = back.upstream
    du = g if accumulate else aten.index_put(g, indices, g.new_zeros(()))
    dv = sum_to(aten.index(g, indices), v.shape)
    *_, needs_v = back.needs
    return (
        du if back.needs[0] else None,
        *(None for _ in back.needs[2:]),
        dv if needs_v else None,
    )


def _index_put_local_gradient(local: Local, u: Tensor, indices: Any, v: Tensor, accumulate: bool = False) -> Tensor:
    nothing = torch.zeros_like(u, dtype=torch.long)
    if local.wrt == 0:
        hole = torch.zeros_like(v, dtype=torch.long)
        return selection_of(u, lambda index: index if accumulate else aten.index_put(index, indices, hole))
    if not accumulate:
        return selection_of(v, lambda index: aten.index_put(nothing, indices, index))
    basis = torch.eye(v.numel(), dtype=v.dtype).reshape(-1, *v.shape)
    columns = torch.stack([aten.index_put(torch.zeros_like(u), indices, e, True) for e in basis], -1)
    return columns.reshape(u.shape + v.shape)


INDEX_PUT = operator(
    "aten.index_put.default",
    plain(aten.index_put),
    _index_put_gradient,
    _index_put_local_gradient,
    structure="selection",
    formula="y = u, with v at the places that index tensors name (added there, if so asked);  "
    "∂J/∂u = ∂J/∂y, 0 there,  ∂J/∂v = ∂J/∂y there",
    latex=rf"{_LATEX}, \quad {COLLECT_LATEX}",
    reads=lambda needs: Reads(tuple(range(1, len(needs) - 1))),
    window=REARRANGED,
)
