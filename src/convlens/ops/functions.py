"""Functions y_i = f(u_i) of one operand that are not activation functions: powers, logarithms, bounds."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from convlens.ops.dense import diagonal, elementwise
from convlens.ops.record import Operator, Rule, operator, plain, reads_inputs, reads_output


def _function(
    name: str,
    forward: Callable[..., Tensor],
    derivative: Rule[Tensor],
    *,
    formula: str,
    latex: str,
    from_output: bool = False,
) -> Operator:
    """The record of y_i = f(u_i); `derivative` gives f' from a Backward or a Local, which both carry the output."""
    return operator(
        f"aten.{name}",
        plain(forward),
        lambda back, *args: (back.upstream * derivative(back, *args),),
        elementwise(derivative),
        structure="elementwise",
        formula=formula,
        latex=latex,
        reads=reads_output if from_output else reads_inputs(0),
    )


NEG = operator(
    "aten.neg.default",
    plain(torch.neg),
    lambda back, u: (-back.upstream,),
    elementwise(lambda _, u: -torch.ones_like(u)),
    structure="elementwise",
    formula="y = -u;  ∂J/∂u = -∂J/∂y",
    latex=r"y = -u, \quad \frac{\partial J}{\partial u} = -\frac{\partial J}{\partial y}",
)


def _power_derivative(context: Any, c: float, _u: Tensor) -> Tensor:
    """y log c; 0 for c = 0, where y is a step, and no number for c < 0."""
    y: Tensor = context.output
    return y * math.log(c) if c > 0 else torch.zeros_like(y) if c == 0 else torch.full_like(y, math.nan)


POW = _function(
    "pow.Tensor_Scalar",
    torch.pow,
    lambda _, u, p: p * u ** (p - 1) if p != 0 else torch.zeros_like(u),
    formula="y = u^p;  ∂J/∂u = ∂J/∂y · p u^(p - 1)",
    latex=r"y = u^p, \quad \frac{\partial J}{\partial u} = \frac{\partial J}{\partial y}\,p\,u^{p - 1}",
)

POWER_OF_NUMBER = operator(
    "aten.pow.Scalar",
    plain(torch.pow),
    lambda back, c, u: (back.upstream * _power_derivative(back, c, u),),
    lambda local, c, u: diagonal(_power_derivative(local, c, u)),
    structure="elementwise",
    formula="y = c^u;  ∂J/∂u = ∂J/∂y · y log(c)",
    latex=r"y = c^u, \quad \frac{\partial J}{\partial u} = \frac{\partial J}{\partial y}\,y \log c",
    reads=reads_output,
)

SQUARE = _function(
    "square.default",
    torch.square,
    lambda _, u: 2 * u,
    formula="y = u²;  ∂J/∂u = ∂J/∂y · 2 u",
    latex=r"y = u^2, \quad \frac{\partial J}{\partial u} = \frac{\partial J}{\partial y}\,2 u",
)

EXP = _function(
    "exp.default",
    torch.exp,
    lambda local, u: local.output,
    formula="y = exp(u);  ∂J/∂u = ∂J/∂y · y",
    latex=r"y = e^u, \quad \frac{\partial J}{\partial u} = \frac{\partial J}{\partial y}\,y",
    from_output=True,
)

LOG = _function(
    "log.default",
    torch.log,
    lambda _, u: 1 / u,
    formula="y = log(u);  ∂J/∂u = ∂J/∂y / u",
    latex=r"y = \log u, \quad \frac{\partial J}{\partial u} = \frac{1}{u} \frac{\partial J}{\partial y}",
)

LOG1P = _function(
    "log1p.default",
    torch.log1p,
    lambda _, u: 1 / (1 + u),
    formula="y = log(1 + u);  ∂J/∂u = ∂J/∂y / (1 + u)",
    latex=r"y = \log(1 + u), \quad \frac{\partial J}{\partial u} = \frac{1}{1 + u} \frac{\partial J}{\partial y}",
)

EXPM1 = _function(
    "expm1.default",
    torch.expm1,
    lambda local, u: local.output + 1,
    formula="y = exp(u) - 1;  ∂J/∂u = ∂J/∂y · (y + 1)",
    latex=r"y = e^u - 1, \quad \frac{\partial J}{\partial u} = \frac{\partial J}{\partial y}\,(y + 1)",
    from_output=True,
)

SQRT = _function(
    "sqrt.default",
    torch.sqrt,
    lambda local, u: 1 / (2 * local.output),
    formula="y = √u;  ∂J/∂u = ∂J/∂y / (2 y)",
    latex=r"y = \sqrt{u}, \quad \frac{\partial J}{\partial u} = \frac{1}{2 y} \frac{\partial J}{\partial y}",
    from_output=True,
)

RSQRT = _function(
    "rsqrt.default",
    torch.rsqrt,
    lambda local, u: -(local.output**3) / 2,
    formula="y = 1 / √u;  ∂J/∂u = -∂J/∂y · y³ / 2",
    latex=r"y = u^{-1/2}, \quad \frac{\partial J}{\partial u} = -\frac{y^3}{2} \frac{\partial J}{\partial y}",
    from_output=True,
)

RECIPROCAL = _function(
    "reciprocal.default",
    torch.reciprocal,
    lambda local, u: -(local.output**2),
    formula="y = 1 / u;  ∂J/∂u = -∂J/∂y · y²",
    latex=r"y = u^{-1}, \quad \frac{\partial J}{\partial u} = -y^2 \frac{\partial J}{\partial y}",
    from_output=True,
)

ABS = _function(
    "abs.default",
    torch.abs,
    lambda _, u: torch.sign(u),
    formula="y = |u|;  ∂J/∂u = ∂J/∂y · sign(u)",
    latex=r"y = |u|, \quad \frac{\partial J}{\partial u} = \frac{\partial J}{\partial y}\,\mathrm{sign}(u)",
)

SIN = _function(
    "sin.default",
    torch.sin,
    lambda _, u: torch.cos(u),
    formula="y = sin(u);  ∂J/∂u = ∂J/∂y · cos(u)",
    latex=r"y = \sin u, \quad \frac{\partial J}{\partial u} = \frac{\partial J}{\partial y}\,\cos u",
)

COS = _function(
    "cos.default",
    torch.cos,
    lambda _, u: -torch.sin(u),
    formula="y = cos(u);  ∂J/∂u = -∂J/∂y · sin(u)",
    latex=r"y = \cos u, \quad \frac{\partial J}{\partial u} = -\frac{\partial J}{\partial y}\,\sin u",
)


def _clamp_derivative(_: Any, u: Tensor, low: float | None = None, high: float | None = None) -> Tensor:
    inside = torch.ones_like(u, dtype=torch.bool)
    inside = inside if low is None else inside & (u >= low)
    return (inside if high is None else inside & (u <= high)).to(u.dtype)


CLAMP = _function(
    "clamp.default",
    torch.clamp,
    _clamp_derivative,
    formula="y = min(max(u, low), high);  ∂J/∂u = ∂J/∂y where low ≤ u ≤ high, else 0",
    latex=r"y = \min(\max(u, a), b), \quad "
    r"\frac{\partial J}{\partial u} = \frac{\partial J}{\partial y}\,[a \le u \le b]",
)

CLAMP_MIN = _function(
    "clamp_min.default",
    torch.clamp_min,
    _clamp_derivative,
    formula="y = max(u, low);  ∂J/∂u = ∂J/∂y where u ≥ low, else 0",
    latex=r"y = \max(u, a), \quad \frac{\partial J}{\partial u} = \frac{\partial J}{\partial y}\,[u \ge a]",
)
