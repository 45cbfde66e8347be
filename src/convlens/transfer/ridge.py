"""Ridge regression: a linear head in closed form."""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

_PENALTIES = 29
_SCALES = torch.logspace(-1, 3, 81, dtype=torch.float64)


class LinearHead(NamedTuple):
    """Logits are `inputs @ weight.T + bias`."""

    weight: Tensor
    """Of shape (classes, features), float64."""
    bias: Tensor
    """Of shape (classes,), float64."""


class Regression(NamedTuple):
    """A fitted head, and what it would say of each example had it not seen that one."""

    head: LinearHead
    left_out: Tensor
    """Of shape (N, targets)."""


def ridge(inputs: Tensor, targets: Tensor) -> Regression:
    """The ridge regression of targets (N, T) on inputs (N, features): ‖Y − X W‖² + λ ‖W‖², W in closed form.

    λ is the one of 29 from 1e-8 to 10 times the largest squared singular value that has the least squared error with
    each example left out, which needs no other fit: the residual is divided by 1 − hᵢᵢ (Hoerl & Kennard 1970; Allen
    1974).
    """
    x, y = inputs.double(), targets.double()
    x_mean, y_mean = x.mean(0), y.mean(0)
    u, s, v = torch.linalg.svd(x - x_mean, full_matrices=False)
    projected = u.T @ (y - y_mean)
    squares = s.square()
    candidates = []
    for penalty in squares[0].clamp(min=1e-12) * torch.logspace(-8, 1, _PENALTIES, dtype=torch.float64):
        shrunk = squares / (squares + penalty)
        leverage = (u.square() * shrunk).sum(1, keepdim=True) + 1 / len(x)
        residual = (y - y_mean - u @ (shrunk[:, None] * projected)) / (1 - leverage).clamp(min=1e-9)
        candidates.append((residual.square().mean().item(), penalty, y - residual))
    _, penalty, left_out = min(candidates, key=lambda one: one[0])
    weight = v.T @ ((s / (squares + penalty))[:, None] * projected)
    return Regression(LinearHead(weight.T, y_mean - x_mean @ weight), left_out)


def ridge_classifier(inputs: Tensor, labels: Tensor, classes: int) -> LinearHead:
    """The ridge regression of one-hot labels, with logits for scores.

    Scores become logits by the one factor that has the least cross-entropy on what is said of left-out examples.
    """
    (weight, bias), left_out = ridge(inputs, F.one_hot(labels, classes))
    scale = min(_SCALES, key=lambda factor: F.cross_entropy(factor * left_out, labels).item())
    return LinearHead(scale * weight, scale * bias)
