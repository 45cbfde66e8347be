"""Arithmetic element by element: sums, differences, products, quotients, choices. Operands are broadcast."""

from typing import Any

import torch
from torch import Tensor

from convlens.ops.broadcasting import broadcast_gradients
from convlens.ops.dense import broadcast_elementwise
from convlens.ops.record import (
    Backward,
    Gradients,
    Needs,
    Operator,
    Reads,
    operator,
    plain,
    reads_inputs,
    reads_other_factor,
)

# Sums and differences: the upstream gradient passes to both sides


def _add_gradient(back: Backward, u: Any, v: Any, alpha: float = 1) -> Gradients:
    g = back.upstream
    return broadcast_gradients(back, (u, lambda: g), (v, lambda: g if alpha == 1 else alpha * g))


def _sub_gradient(back: Backward, u: Any, v: Any, alpha: float = 1) -> Gradients:
    g = back.upstream
    return broadcast_gradients(back, (u, lambda: g), (v, lambda: -alpha * g))


ADD, ADD_SCALAR = (
    operator(
        f"aten.add.{overload}",
        plain(torch.add if overload == "Tensor" else torch.ops.aten.add.Scalar),
        _add_gradient,
        broadcast_elementwise(lambda u, v, alpha=1: 1.0, lambda u, v, alpha=1: alpha),
        structure="elementwise",
        formula="y = u + α v;  ∂J/∂u = ∂J/∂y,  ∂J/∂v = α ∂J/∂y, each summed over its broadcast axes",
        latex=r"y = u + \alpha v, \quad \frac{\partial J}{\partial u} = \frac{\partial J}{\partial y}, \quad "
        r"\frac{\partial J}{\partial v} = \alpha \frac{\partial J}{\partial y}",
        in_place=torch.Tensor.add_,
    )
    for overload in ("Tensor", "Scalar")
)

SUB, SUB_SCALAR = (
    operator(
        f"aten.sub.{overload}",
        plain(torch.sub if overload == "Tensor" else torch.ops.aten.sub.Scalar),
        _sub_gradient,
        broadcast_elementwise(lambda u, v, alpha=1: 1.0, lambda u, v, alpha=1: -alpha),
        structure="elementwise",
        formula="y = u - α v;  ∂J/∂u = ∂J/∂y,  ∂J/∂v = -α ∂J/∂y, each summed over its broadcast axes",
        latex=r"y = u - \alpha v, \quad \frac{\partial J}{\partial u} = \frac{\partial J}{\partial y}, \quad "
        r"\frac{\partial J}{\partial v} = -\alpha \frac{\partial J}{\partial y}",
    )
    for overload in ("Tensor", "Scalar")
)

RSUB = operator(
    "aten.rsub.Scalar",
    plain(torch.rsub),
    lambda back, u, v, alpha=1: (-alpha * back.upstream,),
    broadcast_elementwise(lambda u, v, alpha=1: -alpha),
    structure="elementwise",
    formula="y = c - α u;  ∂J/∂u = -α ∂J/∂y",
    latex=r"y = c - \alpha u, \quad \frac{\partial J}{\partial u} = -\alpha \frac{\partial J}{\partial y}",
)


# Products and quotients


def _mul_gradient(back: Backward, u: Any, v: Any) -> Gradients:
    g = back.upstream
    return broadcast_gradients(back, (u, lambda: g * v), (v, lambda: g * u))


def _div_gradient(back: Backward, u: Any, v: Any) -> Gradients:
    g = back.upstream
    return broadcast_gradients(back, (u, lambda: g / v), (v, lambda: -g * (back.output / v)))


def _reads_quotient(needs: Needs) -> Reads:
    return Reads((1,), output=needs[1]) if needs[1:] else Reads()


MUL, MUL_SCALAR = (
    operator(
        f"aten.mul.{overload}",
        plain(torch.mul if overload == "Tensor" else torch.ops.aten.mul.Scalar),
        _mul_gradient,
        broadcast_elementwise(lambda u, v: v, lambda u, v: u),
        structure="elementwise",
        formula="y = u v;  ∂J/∂u = ∂J/∂y · v,  ∂J/∂v = ∂J/∂y · u, each summed over its broadcast axes",
        latex=r"y = u\,v, \quad \frac{\partial J}{\partial u} = \frac{\partial J}{\partial y}\,v, \quad "
        r"\frac{\partial J}{\partial v} = \frac{\partial J}{\partial y}\,u",
        reads=reads_other_factor,
    )
    for overload in ("Tensor", "Scalar")
)

DIV, DIV_SCALAR = (
    operator(
        f"aten.div.{overload}",
        plain(torch.div if overload == "Tensor" else torch.ops.aten.div.Scalar),
        _div_gradient,
        broadcast_elementwise(lambda u, v: 1 / v, lambda u, v: -u / v**2),
        structure="elementwise",
        formula="y = u / v;  ∂J/∂u = ∂J/∂y / v,  ∂J/∂v = -∂J/∂y · y / v, each summed over its broadcast axes",
        latex=r"y = \frac{u}{v}, \quad \frac{\partial J}{\partial u} = \frac{1}{v} \frac{\partial J}{\partial y}, "
        r"\quad \frac{\partial J}{\partial v} = -\frac{y}{v} \frac{\partial J}{\partial y}",
        reads=_reads_quotient,
    )
    for overload in ("Tensor", "Scalar")
)


# Extremes and choices


def _share(u: Tensor, v: Tensor) -> Tensor:
    """1 where u is the larger, 1/2 where both are equal."""
    return ((u > v).to(u.dtype) + (u >= v).to(u.dtype)) / 2


def _extreme(name: str, sign: int, symbol: str) -> Operator:
    def gradient(back: Backward, u: Tensor, v: Tensor) -> Gradients:
        g = back.upstream
        return broadcast_gradients(
            back, (u, lambda: g * _share(sign * u, sign * v)), (v, lambda: g * _share(sign * v, sign * u))
        )

    return operator(
        f"aten.{name}.default",
        plain(getattr(torch, name)),
        gradient,
        broadcast_elementwise(lambda u, v: _share(sign * u, sign * v), lambda u, v: _share(sign * v, sign * u)),
        structure="elementwise",
        formula=f"y = {symbol}(u, v);  ∂J/∂u = ∂J/∂y where u is chosen, else 0 (half of it where both are equal)",
        latex=rf"y = \{symbol}(u, v), \quad "
        rf"\frac{{\partial J}}{{\partial u}} = \frac{{\partial J}}{{\partial y}}\,[y = u]",
        reads=reads_inputs(0, 1),
    )


MAXIMUM, MINIMUM = _extreme("maximum", 1, "max"), _extreme("minimum", -1, "min")

WHERE, WHERE_ELSE_SCALAR, WHERE_SCALAR_ELSE = (
    operator(
        f"aten.where.{overload}",
        plain(torch.where),
        lambda back, chosen, u, v: (
            None,
            *broadcast_gradients(
                back._replace(needs=back.needs[1:]),
                (u, lambda: torch.where(chosen, back.upstream, 0)),
                (v, lambda: torch.where(chosen, 0, back.upstream)),
            ),
        ),
        broadcast_elementwise(lambda chosen, u, v: 0.0, lambda chosen, u, v: chosen, lambda chosen, u, v: ~chosen),
        structure="elementwise",
        formula="y = u where a condition holds, else v;  "
        "∂J/∂u = ∂J/∂y where it holds, else 0,  ∂J/∂v the other way round",
        latex=r"y = c\,u + (1 - c)\,v, \quad \frac{\partial J}{\partial u} = c\,\frac{\partial J}{\partial y}, \quad "
        r"\frac{\partial J}{\partial v} = (1 - c) \frac{\partial J}{\partial y}",
        reads=reads_inputs(0),
    )
    for overload in ("self", "ScalarOther", "ScalarSelf")
)

MASKED_FILL = operator(
    "aten.masked_fill.Scalar",
    plain(torch.masked_fill),
    lambda back, u, mask, value: (
        *broadcast_gradients(back._replace(needs=back.needs[:1]), (u, lambda: back.upstream.masked_fill(mask, 0))),
        None,
    ),
    broadcast_elementwise(lambda u, mask, value: ~mask, lambda u, mask, value: 0.0),
    structure="elementwise",
    formula="y = a constant where the mask is set, else u;  ∂J/∂u = 0 where the mask is set, else ∂J/∂y",
    latex=r"y = m\,c + (1 - m)\,u, \quad \frac{\partial J}{\partial u} = (1 - m) \frac{\partial J}{\partial y}",
    reads=reads_inputs(1),
)
