"""Matrix products: linear layers, matmul and its relatives.

Legend: U (..., n) input, W (m, n) weights, b (m) bias, Z (..., m) output.
"""

from math import prod
from typing import Any, TypedDict

import torch
import torch.nn.functional as F
from torch import Tensor

from convlens.ops.broadcasting import sum_to
from convlens.ops.dense import linear_map, selection_of
from convlens.ops.record import (
    Backward,
    Gradients,
    Local,
    Needs,
    NoRule,
    Operator,
    Reads,
    Rule,
    Seen,
    Shape,
    Subscripts,
    operator,
    plain,
    reads_other_factor,
    whole_along,
)


class Counts(TypedDict):
    """The two rules that count multiply-adds."""

    multiply_adds: Rule[int]
    backward_multiply_adds: Rule[int]


def products(count: Rule[int], *factors: int) -> Counts:
    """The multiply-add rules of a product: `count` forward, and as much again for the gradient of each factor.

    `factors` are the positions of the factors among the tensor inputs; a bias or mask costs nothing.
    """

    def backward(context: tuple[Needs, Shape], *args: Any, **kwargs: Any) -> int:
        needs, output = context
        return count(output, *args, **kwargs) * sum(needs[factor] for factor in factors)

    return {"multiply_adds": count, "backward_multiply_adds": backward}


# Linear layer: Z = U Wᵀ + b


def _linear_gradient(back: Backward, u: Tensor, w: Tensor, b: Tensor | None = None) -> Gradients:
    dz = back.upstream
    rows = dz.reshape(-1, w.shape[0])
    du = dz @ w if back.needs[0] else None
    dw = rows.t() @ u.reshape(-1, w.shape[1]) if back.needs[1] else None
    if b is None:
        return du, dw
    return du, dw, rows.sum(0) if back.needs[2] else None


def _linear_local_gradient(local: Local, u: Tensor, w: Tensor, b: Tensor | None = None) -> Tensor:
    if local.wrt == 0:
        return linear_map(u, lambda e: F.linear(e, w))
    if local.wrt == 1:
        return linear_map(w, lambda e: F.linear(u, e))
    return selection_of(w[:, 0], lambda index: index.expand(local.output.shape))


def _linear_window(_output: Shape, u: Shape, *_: Any) -> Seen:
    return whole_along(len(u), (-1,), kept=True)


def _product_window(output: Shape, a: Shape, b: Shape) -> Seen:
    """The output has the rows of a, the columns of b and the batches of both, counted from the last axis."""
    if len(a) < 2 or len(b) < 2:
        return NoRule("it is a product with a vector")
    batches = len(output) - 2
    row, inner, column = batches, batches + 1, batches + 2
    labels = range(batches)
    left, right = (tuple(labels[batches - (len(u) - 2) :]) for u in (a, b))
    return Subscripts(inputs=((*left, row, inner), (*right, inner, column)), output=(*labels, row, column))


def _added_product_window(output: Shape, c: Shape, a: Shape, b: Shape, **_: Any) -> Seen:
    product = _product_window(output, a, b)
    if not isinstance(product, Subscripts):
        return product
    return Subscripts(inputs=(product.output[len(output) - len(c) :], *product.inputs), output=product.output)


LINEAR = operator(
    "aten.linear.default",
    plain(F.linear),
    _linear_gradient,
    _linear_local_gradient,
    structure="matrix",
    formula="Z = U Wᵀ + b;  ∂J/∂U = ∂J/∂Z W,  ∂J/∂W = (∂J/∂Z)ᵀ U,  ∂J/∂b = Σ ∂J/∂Z over the samples",
    latex=r"Z = U W^\top + b, \quad \frac{\partial J}{\partial U} = \frac{\partial J}{\partial Z} W, \quad "
    r"\frac{\partial J}{\partial W} = \left(\frac{\partial J}{\partial Z}\right)^\top U, \quad "
    r"\frac{\partial J}{\partial b} = \sum_s \frac{\partial J}{\partial Z_s}",
    reads=reads_other_factor,
    window=_linear_window,
    **products(lambda _output, u, w, b=None: prod(u) * w[0], 0, 1),
)


# Matrix products: y = a b, with vectors and batches broadcast


def _matmul_gradient(back: Backward, a: Tensor, b: Tensor) -> Gradients:
    rows = a if a.ndim > 1 else a.unsqueeze(0)
    columns = b if b.ndim > 1 else b.unsqueeze(1)
    g = back.upstream if a.ndim > 1 else back.upstream.unsqueeze(-1 if b.ndim == 1 else -2)
    g = g if b.ndim > 1 else g.unsqueeze(-1)
    da = sum_to(g @ columns.mT, rows.shape).reshape(a.shape) if back.needs[0] else None
    db = _right_gradient(g, rows, columns).reshape(b.shape) if back.needs[1] else None
    return da, db


def _right_gradient(g: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """aᵀ g; as one product where all samples of a batch share b."""
    if b.ndim == 2:
        return a.reshape(-1, b.shape[0]).t() @ g.reshape(-1, b.shape[1])
    return sum_to(a.mT @ g, b.shape)


def _matmul_local_gradient(local: Local, a: Tensor, b: Tensor) -> Tensor:
    return linear_map(a, lambda e: e @ b) if local.wrt == 0 else linear_map(b, lambda e: a @ e)


def _matmul_multiply_adds(output: Shape, a: Shape, b: Shape) -> int:
    return prod(output) * a[-1]


def _product(name: str) -> Operator:
    return operator(
        name,
        plain(torch.matmul),
        _matmul_gradient,
        _matmul_local_gradient,
        structure="matrix",
        formula="y = a b (matrix product, batches broadcast);  ∂J/∂a = ∂J/∂y bᵀ,  ∂J/∂b = aᵀ ∂J/∂y",
        latex=r"y = a b, \quad \frac{\partial J}{\partial a} = \frac{\partial J}{\partial y} b^\top, \quad "
        r"\frac{\partial J}{\partial b} = a^\top \frac{\partial J}{\partial y}",
        reads=reads_other_factor,
        window=_product_window,
        **products(_matmul_multiply_adds, 0, 1),
    )


MATMUL, MM, BMM, MV, DOT = (_product(f"aten.{name}.default") for name in ("matmul", "mm", "bmm", "mv", "dot"))


# Sum of a matrix and a product: y = β c + α a b


def _added_product_gradient(
    back: Backward, c: Tensor, a: Tensor, b: Tensor, *, beta: float = 1, alpha: float = 1
) -> Gradients:
    g = back.upstream
    scaled = g if alpha == 1 else alpha * g
    return (
        sum_to(g if beta == 1 else beta * g, c.shape) if back.needs[0] else None,
        scaled @ b.mT if back.needs[1] else None,
        a.mT @ scaled if back.needs[2] else None,
    )


def _added_product_local_gradient(
    local: Local, c: Tensor, a: Tensor, b: Tensor, *, beta: float = 1, alpha: float = 1
) -> Tensor:
    if local.wrt == 0:
        return beta * selection_of(c, lambda index: index.expand(local.output.shape))
    return alpha * (linear_map(a, lambda e: e @ b) if local.wrt == 1 else linear_map(b, lambda e: a @ e))


def _reads_factors_of_added_product(needs: Needs) -> Reads:
    return Reads(tuple(other for other, wanted in ((2, needs[1]), (1, needs[2])) if wanted))


def _added_product(name: str) -> Operator:
    return operator(
        f"aten.{name}.default",
        plain(getattr(torch, name)),
        _added_product_gradient,
        _added_product_local_gradient,
        structure="matrix",
        formula="y = β c + α a b;  ∂J/∂c = β ∂J/∂y,  ∂J/∂a = α ∂J/∂y bᵀ,  ∂J/∂b = α aᵀ ∂J/∂y",
        latex=r"y = \beta c + \alpha a b, \quad \frac{\partial J}{\partial c} = \beta \frac{\partial J}{\partial y}, "
        r"\quad \frac{\partial J}{\partial a} = \alpha \frac{\partial J}{\partial y} b^\top, \quad "
        r"\frac{\partial J}{\partial b} = \alpha a^\top \frac{\partial J}{\partial y}",
        reads=_reads_factors_of_added_product,
        window=_added_product_window,
        **products(lambda output, _c, a, b, **_: prod(output) * a[-1], 1, 2),
    )


ADDMM, BADDBMM = _added_product("addmm"), _added_product("baddbmm")


# Bilinear layer: Z_o = u W_o vᵀ + b_o, with W of shape (o, i, j)


def _bilinear_gradient(back: Backward, u: Tensor, v: Tensor, w: Tensor, b: Tensor | None = None) -> Gradients:
    g = back.upstream
    gradients = (
        torch.einsum("...o,oij,...j->...i", g, w, v) if back.needs[0] else None,
        torch.einsum("...o,oij,...i->...j", g, w, u) if back.needs[1] else None,
        torch.einsum("...o,...i,...j->oij", g, u, v) if back.needs[2] else None,
    )
    if b is None:
        return gradients
    return *gradients, g.reshape(-1, len(b)).sum(0) if back.needs[3] else None


def _bilinear_local_gradient(local: Local, u: Tensor, v: Tensor, w: Tensor, b: Tensor | None = None) -> Tensor:
    if local.wrt == 0:
        return linear_map(u, lambda e: F.bilinear(e, v, w))
    if local.wrt == 1:
        return linear_map(v, lambda e: F.bilinear(u, e, w))
    if local.wrt == 2:
        return linear_map(w, lambda e: F.bilinear(u, v, e))
    return selection_of(w[:, 0, 0], lambda index: index.expand(local.output.shape))


def _reads_other_factors(needs: Needs) -> Reads:
    return Reads(tuple(own for own in range(3) if any(needs[other] for other in range(3) if other != own)))


def _bilinear_window(_output: Shape, u: Shape, *_: Any) -> Seen:
    row = whole_along(len(u), (-1,), kept=True)
    return Subscripts(inputs=(*row.inputs, *row.inputs), output=row.output)


BILINEAR = operator(
    "aten.bilinear.default",
    plain(F.bilinear),
    _bilinear_gradient,
    _bilinear_local_gradient,
    structure="matrix",
    formula="Z_o = Σ_ij u_i W_oij v_j + b_o;  ∂J/∂u_i = Σ_oj ∂J/∂Z_o W_oij v_j,  ∂J/∂v_j = Σ_oi ∂J/∂Z_o W_oij u_i,  "
    "∂J/∂W_oij = Σ ∂J/∂Z_o u_i v_j and ∂J/∂b = Σ ∂J/∂Z over the samples",
    latex=r"Z_o = \sum_{ij} u_i W_{oij} v_j + b_o, \quad "
    r"\frac{\partial J}{\partial W_{oij}} = \sum_s \frac{\partial J}{\partial Z_{so}} u_{si} v_{sj}",
    reads=_reads_other_factors,
    window=_bilinear_window,
    **products(lambda output, _u, _v, w, b=None: prod(output) * w[1] * w[2], 0, 1, 2),
)
