"""Sums, means and other reductions over axes.

Legend: A the places that are reduced into one output element, |A| their number, μ their mean, k the correction of a
variance (1 where it is unbiased).
"""

import math
from collections.abc import Callable, Mapping
from math import prod
from types import MappingProxyType
from typing import Any, NamedTuple

import torch
from torch import Tensor

from convlens.ops.dense import linear_map, selection_of
from convlens.ops.record import (
    POINTWISE,
    Backward,
    Gradients,
    Local,
    Needs,
    Operator,
    Reads,
    Rule,
    Seen,
    Shape,
    Structure,
    operator,
    plain,
    reads_nothing,
    reads_output,
    whole_along,
)

aten = torch.ops.aten


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
    return whole_along(len(u), _axes(len(u), dim), kept=keepdim) if u else POINTWISE


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
    window: Rule[Seen] = _window,
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
        window=window,
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


class Settings(NamedTuple):
    """The arguments after u, whatever the overload's order and names: the axes, and what a slope needs besides."""

    dim: Any = ()
    keepdim: bool = False
    others: Mapping[str, Any] = MappingProxyType({})


def _by_slope(
    name: str,
    forward: Callable[..., Tensor],
    slope: Callable[..., Tensor],
    settings: Callable[..., Settings] = Settings,
    **how: Any,
) -> Operator:
    """A reduction with ∂y/∂u_a = s_a for each a in A; `slope(y, u, dim, keepdim, ...)` gives s in the shape of u."""

    def gradient(back: Backward, u: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        dim, keepdim, others = settings(*args, **kwargs)
        return _spread(back.upstream, u, dim, keepdim) * slope(back.output, u, dim, keepdim, **others)

    def local_gradient(local: Local, u: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        dim, keepdim, others = settings(*args, **kwargs)
        sums = linear_map(u, lambda e: torch.sum(e, _axes(u.ndim, dim), keepdim))
        return slope(local.output, u, dim, keepdim, **others) * sums

    def window(output: Shape, u: Shape, *args: Any, **kwargs: Any) -> Seen:
        return _window(output, u, *settings(*args, **kwargs)[:2])

    return _reduction(name, forward, gradient, local_gradient, reads=_reads_both, window=window, **how)


def _reads_both(_needs: Needs) -> Reads:
    return Reads((0,), output=True)


AMAX, AMIN, MAX, MIN = (
    _by_slope(
        f"{name}.default",
        getattr(torch, name),
        _shares,
        structure="selection",
        formula=f"y = {symbol}_{{a in A}} u_a;  ∂J/∂u_a = ∂J/∂y at the place of the {symbol}imum "
        "(shared where several are equal), else 0",
        latex=rf"y = \{symbol}_{{a \in A}} u_a, \quad "
        r"\frac{\partial J}{\partial u_a} = [u_a = y] \frac{\partial J}{\partial y}",
    )
    for name, symbol in (("amax", "max"), ("amin", "min"), ("max", "max"), ("min", "min"))
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


# The extreme along one axis, and its place: two outputs, and a gradient for the first alone


def _extreme_along(name: str) -> Operator:
    forward = getattr(torch, name)

    def gradient(back: Backward, u: Tensor, dim: int, keepdim: bool = False) -> Gradients:
        g, places = back.upstream[0], back.output[1]
        return (aten.value_selecting_reduction_backward(g, dim, places, u.shape, keepdim),)

    def local_gradient(local: Local, u: Tensor, dim: int, keepdim: bool = False) -> Any:
        places = local.output[1] if keepdim else local.output[1].unsqueeze(dim)
        chosen = selection_of(u, lambda index: index.gather(dim, places))
        return (chosen if keepdim else chosen.squeeze(dim % u.ndim), None)

    return operator(
        f"aten.{name}.dim",
        plain(lambda *args, **kwargs: tuple(forward(*args, **kwargs))),
        gradient,
        local_gradient,
        structure="selection",
        formula=f"y = {name}_{{a in A}} u_a, and the place of it;  ∂J/∂u_a = ∂J/∂y at that place, else 0",
        latex=rf"y = \{name}_{{a \in A}} u_a, \quad "
        r"\frac{\partial J}{\partial u_a} = [a = a^*] \frac{\partial J}{\partial y}",
        reads=reads_output,
        window=_window,
    )


MAX_DIM, MIN_DIM = _extreme_along("max"), _extreme_along("min")


# Norms and dispersion


def _norm_settings(order: float = 2, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Settings:
    return Settings(dim, keepdim, {"order": order})


def _norm_slope(y: Tensor, u: Tensor, dim: Any, keepdim: bool, order: float) -> Tensor:
    """sign(u_a) (|u_a| / y)^(p - 1), 0 where u_a or y is; for p = ±∞ the places of the extreme share it."""
    if math.isinf(order):
        return torch.sign(u) * _shares(y, u.abs(), dim, keepdim)
    if order == 0:
        return torch.zeros_like(u)
    ratio = u.abs() / _spread(y, u, dim, keepdim)
    return (torch.sign(u) * ratio ** (order - 1)).masked_fill((u == 0) | ~ratio.isfinite(), 0)


VECTOR_NORM = _by_slope(
    "linalg_vector_norm.default",
    torch.linalg.vector_norm,
    _norm_slope,
    _norm_settings,
    formula="y = (Σ_{a in A} |u_a|^p)^(1/p);  ∂J/∂u_a = ∂J/∂y · sign(u_a) (|u_a| / y)^(p - 1), 0 where u_a = 0",
    latex=r"y = \Big(\sum_{a \in A} |u_a|^p\Big)^{1/p}, \quad \frac{\partial J}{\partial u_a} = "
    r"\mathrm{sign}(u_a) \left(\frac{|u_a|}{y}\right)^{p - 1} \frac{\partial J}{\partial y}",
)


def _over_all(unbiased: bool = True) -> Settings:
    return _by_unbiased(unbiased=unbiased)


def _by_unbiased(dim: Any = None, unbiased: bool = True, keepdim: bool = False) -> Settings:
    return Settings(dim, keepdim, {"correction": int(unbiased)})


def _by_correction(dim: Any = None, *, correction: float | None = None, keepdim: bool = False) -> Settings:
    return Settings(dim, keepdim, {"correction": 1 if correction is None else correction})


_DISPERSION: Mapping[str, Callable[..., Settings]] = {
    "default": _over_all,
    "dim": _by_unbiased,
    "correction": _by_correction,
}


def _variance_slope(_y: Tensor, u: Tensor, dim: Any, keepdim: bool, correction: float) -> Tensor:
    mean = u.mean(_axes(u.ndim, dim), keepdim=True)
    return 2 * (u - mean) / (_count(u, dim) - correction)


def _deviation_slope(y: Tensor, u: Tensor, dim: Any, keepdim: bool, correction: float) -> Tensor:
    spread = _spread(y, u, dim, keepdim)
    return (_variance_slope(y, u, dim, keepdim, correction) / (2 * spread)).masked_fill(spread == 0, 0)


VAR, VAR_DIM, VAR_CORRECTION = (
    _by_slope(
        f"var.{overload}",
        torch.var,
        _variance_slope,
        settings,
        formula="y = 1/(|A| - k) Σ_{a in A} (u_a - μ)²;  ∂J/∂u_a = ∂J/∂y · 2 (u_a - μ) / (|A| - k)",
        latex=r"y = \frac{1}{|A| - k} \sum_{a \in A} (u_a - \mu)^2, \quad "
        r"\frac{\partial J}{\partial u_a} = \frac{2 (u_a - \mu)}{|A| - k} \frac{\partial J}{\partial y}",
    )
    for overload, settings in _DISPERSION.items()
)

STD, STD_DIM, STD_CORRECTION = (
    _by_slope(
        f"std.{overload}",
        torch.std,
        _deviation_slope,
        settings,
        formula="y = √(1/(|A| - k) Σ_{a in A} (u_a - μ)²);  ∂J/∂u_a = ∂J/∂y · (u_a - μ) / ((|A| - k) y), 0 where y = 0",
        latex=r"y = \sqrt{\frac{1}{|A| - k} \sum_{a \in A} (u_a - \mu)^2}, \quad "
        r"\frac{\partial J}{\partial u_a} = \frac{u_a - \mu}{(|A| - k)\,y} \frac{\partial J}{\partial y}",
    )
    for overload, settings in _DISPERSION.items()
)
