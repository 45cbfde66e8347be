"""Sums, means and other reductions over axes.

Legend: A the places that are reduced into one output element, |A| their number.
"""

from collections.abc import Callable
from math import prod
from typing import Any

import torch
from torch import Tensor

from convlens.ops.dense import linear_map
from convlens.ops.record import (
    POINTWISE,
    WHOLE_INPUT,
    Backward,
    Local,
    Needs,
    NoRule,
    Operator,
    Reads,
    Rule,
    Seen,
    Shape,
    Structure,
    operator,
    plain,
    reads_nothing,
)


def _axes(ndim: int, dim: Any) -> tuple[int, ...]:
    """The reduced axes, counted from the front; None and an empty list mean all of them."""
    chosen = (dim,) if isinstance(dim, int) else tuple(dim or range(ndim))
    return tuple(axis % ndim for axis in chosen) if ndim else ()


def _spread(x: Tensor, u: Tensor, dim: Any, keepdim: bool) -> Tensor:
    """x, of the shape of the output, laid out over the input."""
    if not keepdim:
        for axis in sorted(_axes(u.ndim, dim)):
            x = x.unsqueeze(axis)
    return x.expand(u.shape)


def _count(u: Tensor, dim: Any) -> int:
    return prod(u.shape[axis] for axis in _axes(u.ndim, dim))


def _window(_output: Shape, u: Shape, dim: Any = None, keepdim: bool = False, **_: Any) -> Seen:
    axes = _axes(len(u), dim)
    if set(range(2, len(u))) <= set(axes):
        return WHOLE_INPUT
    if keepdim and not any(axis >= 2 for axis in axes):
        return POINTWISE
    return NoRule("it removes some spatial axes and leaves others")


def _reduction(
    name: str,
    forward: Callable[..., Tensor],
    gradient: Callable[..., Tensor],
    local_gradient: Rule[Tensor],
    *,
    structure: Structure = "sum",
    formula: str,
    latex: str,
    reads: Callable[[Needs], Reads] = reads_nothing,
) -> Operator:
    return operator(
        f"aten.{name}",
        plain(forward),
        lambda back, u, *args, **kwargs: (gradient(back, u, *args, **kwargs).to(u.dtype),),
        local_gradient,
        structure=structure,
        formula=formula,
        latex=latex,
        reads=reads,
        window=_window,
    )


def _sum_gradient(back: Backward, u: Tensor, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
    return _spread(back.upstream, u, dim, keepdim)


def _mean_gradient(back: Backward, u: Tensor, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
    return _spread(back.upstream / _count(u, dim), u, dim, keepdim)


def _linear(function: Callable[..., Tensor]) -> Rule[Tensor]:
    """The local gradient of a reduction that is linear."""
    return lambda _, u, *args, **kwargs: linear_map(u, lambda e: function(e, *args, **kwargs))


def _shares(y: Tensor, u: Tensor, dim: Any, keepdim: bool) -> Tensor:
    """1 over the number of places that attain the maximum, at those places; 0 elsewhere."""
    attained = u == _spread(y, u, dim, keepdim)
    return attained / attained.sum(_axes(u.ndim, dim), keepdim=True)


def _amax_gradient(back: Backward, u: Tensor, dim: Any = (), keepdim: bool = False) -> Tensor:
    return _spread(back.upstream, u, dim, keepdim) * _shares(back.output, u, dim, keepdim)


def _amax_local_gradient(local: Local, u: Tensor, dim: Any = (), keepdim: bool = False) -> Tensor:
    return _shares(local.output, u, dim, keepdim) * linear_map(u, lambda e: torch.sum(e, _axes(u.ndim, dim), keepdim))


AMAX = _reduction(
    "amax.default",
    torch.amax,
    _amax_gradient,
    _amax_local_gradient,
    structure="selection",
    formula="y = max_{a in A} u_a;  ∂J/∂u_a = ∂J/∂y at the place of the maximum "
    "(shared where several are equal), else 0",
    latex=r"y = \max_{a \in A} u_a, \quad \frac{\partial J}{\partial u_a} = [u_a = y] \frac{\partial J}{\partial y}",
    reads=lambda _needs: Reads((0,), output=True),
)

SUM, SUM_DIM = (
    _reduction(
        f"sum.{overload}",
        torch.sum,
        _sum_gradient,
        _linear(torch.sum),
        formula="y = Σ_{a in A} u_a;  ∂J/∂u_a = ∂J/∂y for every a in A",
        latex=r"y = \sum_{a \in A} u_a, \quad \frac{\partial J}{\partial u_a} = \frac{\partial J}{\partial y}",
    )
    for overload in ("default", "dim_IntList")
)

MEAN, MEAN_DIM = (
    _reduction(
        f"mean.{overload}",
        torch.mean,
        _mean_gradient,
        _linear(torch.mean),
        formula="y = 1/|A| Σ_{a in A} u_a;  ∂J/∂u_a = 1/|A| ∂J/∂y for every a in A",
        latex=r"y = \frac{1}{|A|} \sum_{a \in A} u_a, \quad "
        r"\frac{\partial J}{\partial u_a} = \frac{1}{|A|} \frac{\partial J}{\partial y}",
    )
    for overload in ("default", "dim")
)
