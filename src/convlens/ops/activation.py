"""Activation functions y_i = f(u_i)."""

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from convlens.ops.broadcasting import sum_to
from convlens.ops.dense import diagonal, elementwise, selection_of
from convlens.ops.record import (
    Backward,
    Gradients,
    Local,
    Operator,
    Rule,
    operator,
    plain,
    reads_inputs,
    reads_output,
)

aten = torch.ops.aten


def _activation(
    name: str,
    forward: Callable[..., Tensor],
    gradient: Rule[Tensor],
    derivative: Rule[Tensor],
    *,
    formula: str,
    latex: str,
    from_output: bool = False,
    in_place: Callable[..., Tensor] | None = None,
) -> Operator:
    """The record of y_i = f(u_i); `gradient` is the fast kernel, `derivative` is f' by definition."""
    return operator(
        f"aten.{name}.default",
        plain(forward),
        lambda back, *args, **kwargs: (gradient(back, *args, **kwargs),),
        elementwise(derivative),
        structure="elementwise",
        formula=formula,
        latex=latex,
        reads=reads_output if from_output else reads_inputs(0),
        in_place=in_place,
    )


def _between(u: Tensor, low: float, high: float) -> Tensor:
    return ((u > low) & (u < high)).to(u.dtype)


RELU = _activation(
    "relu",
    torch.relu,
    lambda back, u: aten.threshold_backward(back.upstream, back.output, 0),
    lambda _, u: (u > 0).to(u.dtype),
    formula="y = max(u, 0);  ∂J/∂u = ∂J/∂y where u > 0, else 0",
    latex=r"y = \max(u, 0), \quad \frac{\partial J}{\partial u} = \frac{\partial J}{\partial y}\,[u > 0]",
    from_output=True,
    in_place=torch.relu_,
)

RELU6 = _activation(
    "relu6",
    F.relu6,
    lambda back, u: aten.hardtanh_backward(back.upstream, back.output, 0, 6),
    lambda _, u: _between(u, 0, 6),
    formula="y = min(max(u, 0), 6);  ∂J/∂u = ∂J/∂y where 0 < u < 6, else 0",
    latex=r"y = \min(\max(u, 0), 6), \quad \frac{\partial J}{\partial u} = \frac{\partial J}{\partial y}\,[0 < u < 6]",
    from_output=True,
    in_place=aten.relu6_.default,
)


def _hardtanh_gradient(back: Backward, u: Tensor, low: float = -1, high: float = 1) -> Tensor:
    """From the output, which holds the bounds rounded to its number format."""
    bounds = torch.tensor([low, high], dtype=back.output.dtype).tolist()
    gradient: Tensor = aten.hardtanh_backward(back.upstream, back.output, *bounds)
    return gradient


HARDTANH = _activation(
    "hardtanh",
    F.hardtanh,
    _hardtanh_gradient,
    lambda _, u, low=-1, high=1: _between(u, low, high),
    formula="y = min(max(u, low), high);  ∂J/∂u = ∂J/∂y where low < u < high, else 0",
    latex=r"y = \min(\max(u, a), b), \quad \frac{\partial J}{\partial u} = \frac{\partial J}{\partial y}\,[a < u < b]",
    from_output=True,
    in_place=aten.hardtanh_.default,
)

LEAKY_RELU = _activation(
    "leaky_relu",
    F.leaky_relu,
    lambda back, u, slope=0.01: aten.leaky_relu_backward(back.upstream, u, slope, False),
    lambda _, u, slope=0.01: torch.where(u > 0, torch.ones_like(u), slope),
    formula="y = u where u > 0, else slope · u;  ∂J/∂u = ∂J/∂y · (1 where u > 0, else slope)",
    latex=r"y = \max(u, 0) + s \min(u, 0), \quad "
    r"\frac{\partial J}{\partial u} = \frac{\partial J}{\partial y}\,([u > 0] + s\,[u \le 0])",
)


def _elu_derivative(_: Local, u: Tensor, alpha: float = 1, scale: float = 1, input_scale: float = 1) -> Tensor:
    return torch.where(u > 0, torch.full_like(u, scale), scale * alpha * input_scale * torch.exp(u * input_scale))


ELU = _activation(
    "elu",
    aten.elu.default,
    lambda back, u, alpha=1, scale=1, input_scale=1: aten.elu_backward(
        back.upstream, alpha, scale, input_scale, False, u
    ),
    _elu_derivative,
    formula="y = u where u > 0, else α (exp(u) - 1);  ∂J/∂u = ∂J/∂y · (1 where u > 0, else α exp(u))",
    latex=r"y = [u > 0]\,u + [u \le 0]\,\alpha (e^u - 1), \quad "
    r"\frac{\partial J}{\partial u} = \frac{\partial J}{\partial y}\,([u > 0] + [u \le 0]\,\alpha e^u)",
)

SELU_ALPHA, SELU_SCALE = 1.6732632423543772848170429916717, 1.0507009873554804934193349852946

SELU = _activation(
    "selu",
    F.selu,
    lambda back, u: aten.elu_backward(back.upstream, SELU_ALPHA, SELU_SCALE, 1, False, u),
    lambda _, u: _elu_derivative(_, u, SELU_ALPHA, SELU_SCALE),
    formula="y = λ u where u > 0, else λ α (exp(u) - 1), with λ = 1.0507, α = 1.6733;  "
    "∂J/∂u = ∂J/∂y · λ (1 where u > 0, else α exp(u))",
    latex=r"y = \lambda\,([u > 0]\,u + [u \le 0]\,\alpha (e^u - 1)), \quad "
    r"\frac{\partial J}{\partial u} = \frac{\partial J}{\partial y}\,\lambda ([u > 0] + [u \le 0]\,\alpha e^u)",
)

CELU = _activation(
    "celu",
    F.celu,
    lambda back, u, alpha=1.0: aten.elu_backward(back.upstream, alpha, 1, 1 / alpha, False, u),
    lambda _, u, alpha=1.0: _elu_derivative(_, u, alpha, 1, 1 / alpha),
    formula="y = u where u > 0, else α (exp(u / α) - 1);  ∂J/∂u = ∂J/∂y · (1 where u > 0, else exp(u / α))",
    latex=r"y = [u > 0]\,u + [u \le 0]\,\alpha (e^{u / \alpha} - 1), \quad "
    r"\frac{\partial J}{\partial u} = \frac{\partial J}{\partial y}\,([u > 0] + [u \le 0]\,e^{u / \alpha})",
)

SIGMOID = _activation(
    "sigmoid",
    torch.sigmoid,
    lambda back, u: aten.sigmoid_backward(back.upstream, back.output),
    lambda local, u: local.output * (1 - local.output),
    formula="y = 1 / (1 + exp(-u));  ∂J/∂u = ∂J/∂y · y (1 - y)",
    latex=r"y = \frac{1}{1 + e^{-u}}, \quad \frac{\partial J}{\partial u} = \frac{\partial J}{\partial y}\,y (1 - y)",
    from_output=True,
)

LOG_SIGMOID = _activation(
    "log_sigmoid",
    F.logsigmoid,
    lambda back, u: back.upstream * torch.sigmoid(-u),
    lambda _, u: 1 / (1 + torch.exp(u)),
    formula="y = -log(1 + exp(-u));  ∂J/∂u = ∂J/∂y · σ(-u)",
    latex=r"y = -\log(1 + e^{-u}), \quad \frac{\partial J}{\partial u} = \frac{\partial J}{\partial y}\,\sigma(-u)",
)

TANH = _activation(
    "tanh",
    torch.tanh,
    lambda back, u: aten.tanh_backward(back.upstream, back.output),
    lambda local, u: 1 - local.output**2,
    formula="y = tanh(u);  ∂J/∂u = ∂J/∂y · (1 - y²)",
    latex=r"y = \tanh(u), \quad \frac{\partial J}{\partial u} = \frac{\partial J}{\partial y}\,(1 - y^2)",
    from_output=True,
)

HARDSIGMOID = _activation(
    "hardsigmoid",
    F.hardsigmoid,
    lambda back, u: aten.hardsigmoid_backward(back.upstream, u),
    lambda _, u: _between(u, -3, 3) / 6,
    formula="y = min(max(u + 3, 0), 6) / 6;  ∂J/∂u = ∂J/∂y / 6 where -3 < u < 3, else 0",
    latex=r"y = \frac{\min(\max(u + 3, 0), 6)}{6}, \quad "
    r"\frac{\partial J}{\partial u} = \frac{1}{6} \frac{\partial J}{\partial y}\,[-3 < u < 3]",
)

HARDSWISH = _activation(
    "hardswish",
    F.hardswish,
    lambda back, u: aten.hardswish_backward(back.upstream, u),
    lambda _, u: torch.where(u >= 3, torch.ones_like(u), (u / 3 + 0.5) * _between(u, -3, 3)),
    formula="y = u min(max(u + 3, 0), 6) / 6;  ∂J/∂u = ∂J/∂y · (u / 3 + 1/2 where -3 < u < 3, 0 below, 1 above)",
    latex=r"y = u\,\frac{\min(\max(u + 3, 0), 6)}{6}, \quad "
    r"\frac{\partial J}{\partial u} = \frac{\partial J}{\partial y}\,([u \ge 3] + [-3 < u < 3] (u/3 + 1/2))",
)

SILU = _activation(
    "silu",
    F.silu,
    lambda back, u: aten.silu_backward(back.upstream, u),
    lambda _, u: torch.sigmoid(u) * (1 + u * torch.sigmoid(-u)),
    formula="y = u σ(u);  ∂J/∂u = ∂J/∂y · σ(u) (1 + u (1 - σ(u)))",
    latex=r"y = u\,\sigma(u), \quad "
    r"\frac{\partial J}{\partial u} = \frac{\partial J}{\partial y}\,\sigma(u) (1 + u (1 - \sigma(u)))",
)


def _mish_derivative(_: Local, u: Tensor) -> Tensor:
    t = torch.tanh(F.softplus(u))
    return t + u * (1 - t**2) * torch.sigmoid(u)


MISH = _activation(
    "mish",
    F.mish,
    lambda back, u: aten.mish_backward(back.upstream, u),
    _mish_derivative,
    formula="y = u t with t = tanh(log(1 + exp(u)));  ∂J/∂u = ∂J/∂y · (t + u (1 - t²) σ(u))",
    latex=r"y = u\,t,\ t = \tanh(\log(1 + e^u)), \quad "
    r"\frac{\partial J}{\partial u} = \frac{\partial J}{\partial y}\,(t + u (1 - t^2)\,\sigma(u))",
)

SOFTPLUS = _activation(
    "softplus",
    F.softplus,
    lambda back, u, beta=1, threshold=20: aten.softplus_backward(back.upstream, u, beta, threshold),
    lambda _, u, beta=1, threshold=20: torch.where(u * beta > threshold, torch.ones_like(u), torch.sigmoid(u * beta)),
    formula="y = log(1 + exp(β u)) / β, and u itself above a threshold;  ∂J/∂u = ∂J/∂y · σ(β u)",
    latex=r"y = \frac{1}{\beta} \log(1 + e^{\beta u}), \quad "
    r"\frac{\partial J}{\partial u} = \frac{\partial J}{\partial y}\,\sigma(\beta u)",
)


def _gelu_derivative(_: Local, u: Tensor, *, approximate: str = "none") -> Tensor:
    if approximate == "none":
        phi = torch.exp(-(u**2) / 2) / math.sqrt(2 * math.pi)
        return (1 + torch.erf(u / math.sqrt(2))) / 2 + u * phi
    c = math.sqrt(2 / math.pi)
    t = torch.tanh(c * (u + 0.044715 * u**3))
    return (1 + t) / 2 + u * (1 - t**2) * c * (1 + 3 * 0.044715 * u**2) / 2


GELU = _activation(
    "gelu",
    F.gelu,
    lambda back, u, **form: aten.gelu_backward(back.upstream, u, **form),
    _gelu_derivative,
    formula="y = u Φ(u), Φ the normal distribution function;  ∂J/∂u = ∂J/∂y · (Φ(u) + u φ(u)), φ = Φ'. "
    "With approximate='tanh', Φ(u) = (1 + tanh(√(2/π) (u + 0.044715 u³))) / 2",
    latex=r"y = u\,\Phi(u), \quad "
    r"\frac{\partial J}{\partial u} = \frac{\partial J}{\partial y}\,(\Phi(u) + u\,\varphi(u))",
)

THRESHOLD = _activation(
    "threshold",
    F.threshold,
    lambda back, u, threshold, value: aten.threshold_backward(back.upstream, u, threshold),
    lambda _, u, threshold, value: (u > threshold).to(u.dtype),
    formula="y = u where u > threshold, else a constant;  ∂J/∂u = ∂J/∂y where u > threshold, else 0",
    latex=r"y = [u > \theta]\,u + [u \le \theta]\,c, \quad "
    r"\frac{\partial J}{\partial u} = \frac{\partial J}{\partial y}\,[u > \theta]",
)


# PReLU: a slope for each channel, which is learned


def _per_channel(weight: Tensor, u: Tensor) -> Tensor:
    return weight.reshape(1, -1, *(1,) * (u.ndim - 2)) if u.ndim > 1 else weight


def _prelu_gradient(back: Backward, u: Tensor, weight: Tensor) -> Gradients:
    slope = _per_channel(weight, u)
    du = torch.where(u > 0, back.upstream, back.upstream * slope) if back.needs[0] else None
    dw = sum_to(back.upstream * u.clamp(max=0), slope.shape).reshape(weight.shape) if back.needs[1] else None
    return du, dw


def _prelu_local_gradient(local: Local, u: Tensor, weight: Tensor) -> Tensor:
    slope = _per_channel(weight, u)
    if local.wrt == 0:
        return diagonal(torch.where(u > 0, torch.ones_like(u), slope.expand(u.shape)))
    chosen = selection_of(weight, lambda index: _per_channel(index, u).expand(u.shape))
    return u.clamp(max=0).unsqueeze(-1) * chosen.reshape(*u.shape, *weight.shape)


PRELU = operator(
    "aten.prelu.default",
    plain(torch.prelu),
    _prelu_gradient,
    _prelu_local_gradient,
    structure="elementwise",
    formula="y = u where u > 0, else a u, a learned for each channel;  ∂J/∂u = ∂J/∂y · (1 where u > 0, else a), "
    "∂J/∂a = Σ ∂J/∂y · min(u, 0)",
    latex=r"y = \max(u, 0) + a \min(u, 0), \quad \frac{\partial J}{\partial a} = "
    r"\sum \frac{\partial J}{\partial y} \min(u, 0)",
    reads=reads_inputs(0, 1),
)
