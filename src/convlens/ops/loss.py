"""Losses that compare outputs with targets: squared error and its relatives, cross-entropy.

Legend: u outputs (logits, or probabilities), t targets, ℓ the loss of one element, y = ℓ, its mean or its sum,
n the number of elements that the mean is taken over. Weights are constants.
"""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from convlens.ops.dense import diagonal
from convlens.ops.record import Backward, Gradients, Local, NoRule, Operator, operator, plain, reads_inputs

aten = torch.ops.aten

MEAN = 1
OF_SCORES = NoRule("a loss compares scores with targets and has no spatial axes")


# Losses of single elements: squared and absolute error, binary cross-entropy

Slopes = Callable[..., tuple[Tensor, Tensor]]


def _element_loss(
    name: str, forward: Callable[..., Tensor], slopes: Slopes, reduction_at: int, *, formula: str, latex: str
) -> Operator:
    """The record of a loss of single elements.

    `slopes` gives ∂ℓ/∂u and ∂ℓ/∂t of each element; `reduction_at` is the position of the word for mean, sum or none.
    """

    def scale(u: Tensor, args: tuple[Any, ...]) -> float:
        reduction = args[reduction_at] if len(args) > reduction_at else MEAN
        return 1 / u.numel() if reduction == MEAN else 1.0

    def gradient(back: Backward, *args: Any) -> Gradients:
        share = back.upstream * scale(args[0], args)
        both = zip(slopes(*args), back.needs[:2], strict=True)
        return (
            *(share * slope if needed else None for slope, needed in both),
            *(None for _ in back.needs[2:]),
        )

    def local_gradient(local: Local, *args: Any) -> Tensor:
        slope = slopes(*args)[local.wrt]
        return diagonal(slope) if local.output.shape == slope.shape else slope * scale(args[0], args)

    return operator(
        f"aten.{name}.default",
        plain(forward),
        gradient,
        local_gradient,
        structure="loss",
        formula=formula,
        latex=latex,
        reads=lambda needs: reads_inputs(*range(len(needs)))(needs),
        window=OF_SCORES,
    )


def _opposite(slope: Tensor) -> tuple[Tensor, Tensor]:
    """The slopes of a loss that depends on u - t only."""
    return slope, -slope


MSE = _element_loss(
    "mse_loss",
    aten.mse_loss,
    lambda u, t, *_: _opposite(2 * (u - t)),
    2,
    formula="ℓ = (u - t)², y = 1/n Σ ℓ;  ∂J/∂u = ∂J/∂y · 2 (u - t) / n,  ∂J/∂t = -∂J/∂u",
    latex=r"y = \frac{1}{n} \sum (u - t)^2, \quad \frac{\partial J}{\partial u} = "
    r"\frac{2}{n} (u - t) \frac{\partial J}{\partial y}",
)

L1 = _element_loss(
    "l1_loss",
    aten.l1_loss,
    lambda u, t, *_: _opposite(torch.sign(u - t)),
    2,
    formula="ℓ = |u - t|, y = 1/n Σ ℓ;  ∂J/∂u = ∂J/∂y · sign(u - t) / n,  ∂J/∂t = -∂J/∂u",
    latex=r"y = \frac{1}{n} \sum |u - t|, \quad \frac{\partial J}{\partial u} = "
    r"\frac{1}{n}\,\mathrm{sign}(u - t) \frac{\partial J}{\partial y}",
)

SMOOTH_L1 = _element_loss(
    "smooth_l1_loss",
    aten.smooth_l1_loss,
    lambda u, t, _reduction=MEAN, beta=1.0: _opposite(((u - t) / beta).clamp(-1, 1)),
    2,
    formula="ℓ = (u - t)² / (2 β) where |u - t| < β, else |u - t| - β/2, y = 1/n Σ ℓ;  "
    "∂J/∂u = ∂J/∂y · ((u - t) / β, kept within -1..1) / n,  ∂J/∂t = -∂J/∂u",
    latex=r"\ell' = \min(\max((u - t) / \beta, -1), 1), \quad \frac{\partial J}{\partial u} = "
    r"\frac{1}{n} \ell' \frac{\partial J}{\partial y}",
)

HUBER = _element_loss(
    "huber_loss",
    aten.huber_loss,
    lambda u, t, _reduction=MEAN, delta=1.0: _opposite((u - t).clamp(-delta, delta)),
    2,
    formula="ℓ = (u - t)² / 2 where |u - t| < δ, else δ (|u - t| - δ/2), y = 1/n Σ ℓ;  "
    "∂J/∂u = ∂J/∂y · (u - t, kept within -δ..δ) / n,  ∂J/∂t = -∂J/∂u",
    latex=r"\ell' = \min(\max(u - t, -\delta), \delta), \quad \frac{\partial J}{\partial u} = "
    r"\frac{1}{n} \ell' \frac{\partial J}{\partial y}",
)


def _logit_slopes(
    u: Tensor, t: Tensor, weight: Tensor | None = None, positive: Tensor | None = None, _reduction: int = MEAN
) -> tuple[Tensor, Tensor]:
    if positive is None:
        du, dt = torch.sigmoid(u) - t, -u
    else:
        du = (1 - t) - ((positive - 1) * t + 1) * torch.sigmoid(-u)
        dt = (positive - 1) * F.softplus(-u) - u
    return (du, dt) if weight is None else (du * weight, dt * weight)


BINARY_CROSS_ENTROPY_WITH_LOGITS = _element_loss(
    "binary_cross_entropy_with_logits",
    aten.binary_cross_entropy_with_logits,
    _logit_slopes,
    4,
    formula="ŷ = σ(u), ℓ = -t log(ŷ) - (1 - t) log(1 - ŷ), y = 1/n Σ ℓ;  ∂J/∂u = ∂J/∂y · (ŷ - t) / n,  "
    "∂J/∂t = -∂J/∂y · u / n",
    latex=r"\hat y = \sigma(u),\ y = -\frac{1}{n} \sum t \log \hat y + (1 - t) \log(1 - \hat y), \quad "
    r"\frac{\partial J}{\partial u} = \frac{1}{n} (\hat y - t) \frac{\partial J}{\partial y}",
)


def _probability_slopes(
    u: Tensor, t: Tensor, weight: Tensor | None = None, _reduction: int = MEAN
) -> tuple[Tensor, Tensor]:
    du = (u - t) / ((1 - u) * u).clamp(min=1e-12)
    dt = torch.log1p(-u).clamp(min=-100) - torch.log(u).clamp(min=-100)
    return (du, dt) if weight is None else (du * weight, dt * weight)


BINARY_CROSS_ENTROPY = _element_loss(
    "binary_cross_entropy",
    aten.binary_cross_entropy,
    _probability_slopes,
    3,
    formula="ℓ = -t log(u) - (1 - t) log(1 - u) for probabilities u, y = 1/n Σ ℓ;  "
    "∂J/∂u = ∂J/∂y · (u - t) / (u (1 - u)) / n,  ∂J/∂t = ∂J/∂y · (log(1 - u) - log(u)) / n",
    latex=r"y = -\frac{1}{n} \sum t \log u + (1 - t) \log(1 - u), \quad "
    r"\frac{\partial J}{\partial u} = \frac{1}{n} \frac{u - t}{u (1 - u)} \frac{\partial J}{\partial y}",
)
