"""Dropout: the mask is drawn in the forward pass and kept for the backward pass."""

import math

import torch
from torch import Tensor

from convlens.ops.dense import elementwise
from convlens.ops.record import Backward, Gradients, Local, operator

aten = torch.ops.aten


def _dropout(u: Tensor, p: float, train: bool) -> tuple[Tensor, Tensor | None]:
    """The output, and the mask of what was kept; it draws the same random numbers as torch does."""
    if not train or p == 0:
        return u, None
    y, kept = aten.native_dropout(u, p, True)
    return y, kept


def _dropout_gradient(back: Backward, u: Tensor, p: float, train: bool) -> Gradients:
    if back.saved is None:
        return (back.upstream,)
    return (aten.native_dropout_backward(back.upstream, back.saved, 1 / (1 - p) if p < 1 else 0.0),)


def _dropout_derivative(local: Local, u: Tensor, p: float, train: bool) -> Tensor:
    return torch.ones_like(u) if local.saved is None else local.saved.to(u.dtype) / max(1 - p, 1e-300)


DROPOUT = operator(
    "aten.dropout.default",
    _dropout,
    _dropout_gradient,
    elementwise(_dropout_derivative),
    structure="elementwise",
    formula="y = u m / (1 - p) in training, m = 1 with probability 1 - p, else 0; y = u otherwise;  "
    "∂J/∂u = ∂J/∂y · m / (1 - p), with the mask m of the forward pass",
    latex=r"y = \frac{m\,u}{1 - p},\ m \sim \mathrm{Bernoulli}(1 - p), \quad "
    r"\frac{\partial J}{\partial u} = \frac{m}{1 - p} \frac{\partial J}{\partial y}",
)


def _feature_dropout(u: Tensor, p: float, train: bool) -> tuple[Tensor, Tensor | None]:
    if not train or p == 0:
        return u, None
    noise = u.new_empty(u.shape[:2] + (1,) * (u.ndim - 2)).bernoulli_(1 - p).div_(max(1 - p, 1e-300))
    return u * noise, noise


FEATURE_DROPOUT = operator(
    "aten.feature_dropout.default",
    _feature_dropout,
    lambda back, u, p, train: (back.upstream if back.saved is None else back.upstream * back.saved,),
    elementwise(lambda local, u, p, train: torch.ones_like(u) * (1 if local.saved is None else local.saved)),
    structure="elementwise",
    formula="y = u m / (1 - p) in training, one m for each channel of each sample; y = u otherwise;  "
    "∂J/∂u = ∂J/∂y · m / (1 - p), with the mask m of the forward pass",
    latex=r"y_{n,c,\cdot} = \frac{m_{n,c}\,u_{n,c,\cdot}}{1 - p}, \quad "
    r"\frac{\partial J}{\partial u} = \frac{m}{1 - p} \frac{\partial J}{\partial y}",
)


_SELU_FLOOR = 1.7580993408473766
"""What a dropped value becomes, with the sign changed: λ α of the SELU (Klambauer et al. 2017, section 3)."""


def _alpha_dropout(u: Tensor, p: float, train: bool) -> tuple[Tensor, Tensor | None]:
    """The output, and the slopes a m; it draws the same random numbers as torch does."""
    if not train or p == 0:
        return u, None
    if p == 1:
        return u * 0, torch.zeros_like(u)
    a = 1 / math.sqrt((_SELU_FLOOR**2 * p + 1) * (1 - p))
    kept = torch.empty_like(u).bernoulli_(1 - p)
    slopes = kept * a
    return u * slopes + ((kept - 1) * (_SELU_FLOOR * a) + _SELU_FLOOR * a * p), slopes


ALPHA_DROPOUT = operator(
    "aten.alpha_dropout.default",
    _alpha_dropout,
    lambda back, u, p, train: (back.upstream if back.saved is None else back.upstream * back.saved,),
    elementwise(lambda local, u, p, train: torch.ones_like(u) if local.saved is None else local.saved),
    structure="elementwise",
    formula="y = a (u m - c (1 - m)) + a c p in training, m = 1 with probability 1 - p, else 0, c = 1.758..., "
    "a = 1 / √((1 - p) (1 + p c²)); y = u otherwise;  ∂J/∂u = ∂J/∂y · a m, with the mask m of the forward pass",
    latex=r"y = a\left(m\,u - (1 - m)\,c + c\,p\right),\ m \sim \mathrm{Bernoulli}(1 - p), \quad "
    r"\frac{\partial J}{\partial u} = a\,m\,\frac{\partial J}{\partial y}",
)
