"""Ridge regression: a linear head in closed form."""

from typing import NamedTuple, Self

import torch
import torch.nn.functional as F
from torch import Tensor

_PENALTIES = 29
_LEAST_SQUARE = 1e-14
_SCALES = torch.logspace(-1, 3, 81, dtype=torch.float64)


class LinearHead(NamedTuple):
    """A linear layer."""

    weight: Tensor
    """Of shape (classes, features), float64."""
    bias: Tensor
    """Of shape (classes,), float64."""

    def logits(self, inputs: Tensor) -> Tensor:
        """Of inputs (N, features), of shape (N, classes), float64."""
        found: Tensor = inputs.double() @ self.weight.T + self.bias
        return found


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
    fit = _Fit.of(inputs, targets)
    return Regression(fit.head, fit.left_out)


def ridge_classifier(inputs: Tensor, labels: Tensor, classes: int) -> LinearHead:
    """The ridge regression of one-hot labels, with logits for scores.

    Scores become logits by the one factor that has the least cross-entropy on what is said of left-out examples.
    """
    (weight, bias), left_out = ridge(inputs, F.one_hot(labels, classes))
    scale = _logit_scale(left_out, labels)
    return LinearHead(scale * weight, scale * bias)


def held_out_logits(inputs: Tensor, labels: Tensor, classes: int, folds: Tensor) -> Tensor:
    """Logits of shape (N, classes), those of each fold by the ridge regression of the examples in all other folds.

    `folds` are their numbers, of shape (N,). One decomposition serves all folds: what is said of held-out examples S is
    yₛ − (I − Hₛₛ)⁻¹ (yₛ − ŷₛ), with H the matrix that makes the fitted values ŷ of y (Golub, Heath & Wahba, Generalized
    cross-validation as a method for choosing a good ridge parameter, 1979). The penalty, one number, is that of all
    examples.
    """
    fit = _Fit.of(inputs, F.one_hot(labels, classes))
    scores = torch.empty_like(fit.targets)
    for number in range(int(folds.min()), int(folds.max()) + 1):
        within = folds == number
        scores[within] = fit.held_out(within)
    return _logit_scale(scores, labels) * scores


def _logit_scale(scores: Tensor, labels: Tensor) -> float:
    scales: list[float] = _SCALES.tolist()
    return min(scales, key=lambda factor: F.cross_entropy(factor * scores, labels).item())


class _Fit:
    """A ridge regression, by the singular value decomposition U S Vᵀ of its centered inputs."""

    def __init__(self, x_mean: Tensor, decomposition: tuple[Tensor, Tensor, Tensor], targets: Tensor) -> None:
        self._x_mean, (self._u, self._s, self._v) = x_mean, decomposition
        self.targets = targets
        self._y_mean = targets.mean(0)
        self._projected = self._u.T @ (targets - self._y_mean)
        squares, leverages = self._s.square(), self._u.square()

        def left_out_residual(penalty: Tensor) -> Tensor:
            shrunk = squares / (squares + penalty)
            leverage = (leverages @ shrunk)[:, None] + 1 / len(targets)
            return (targets - self._fitted(shrunk)) / (1 - leverage).clamp(min=1e-9)

        penalties = squares[0].clamp(min=1e-12) * torch.logspace(-8, 1, _PENALTIES, dtype=torch.float64)
        self._penalty = min(penalties, key=lambda penalty: left_out_residual(penalty).square().mean().item())
        self._shrunk = squares / (squares + self._penalty)
        self.left_out = targets - left_out_residual(self._penalty)
        """What it would say of each example, had it not seen that one."""

    @classmethod
    def of(cls, inputs: Tensor, targets: Tensor) -> Self:
        x = inputs.double()
        return cls(x.mean(0), _decomposed(x - x.mean(0)), targets.double())

    @property
    def head(self) -> LinearHead:
        weight = self._v @ ((self._s / (self._s.square() + self._penalty))[:, None] * self._projected)
        return LinearHead(weight.T, self._y_mean - self._x_mean @ weight)

    def held_out(self, within: Tensor) -> Tensor:
        """What it would say of these examples (truth values), had it seen none of them."""
        count = len(self.targets)
        # H = A Aᵀ, with a column for the intercept.
        a = torch.cat([self._u * self._shrunk.sqrt(), torch.full_like(self._u[:, :1], count**-0.5)], 1)[within]
        residual = (self.targets - self._fitted(self._shrunk))[within]
        return self.targets[within] - _solved(a, residual)

    def _fitted(self, shrunk: Tensor) -> Tensor:
        return self._y_mean + self._u @ (shrunk[:, None] * self._projected)


def _solved(a: Tensor, b: Tensor) -> Tensor:
    """(I − A Aᵀ)⁻¹ B, by the smaller one of A Aᵀ and Aᵀ A (Woodbury's identity)."""
    if len(a) <= a.shape[1]:
        solution: Tensor = torch.linalg.solve(torch.eye(len(a), dtype=a.dtype) - a @ a.T, b)
    else:
        solution = b + a @ torch.linalg.solve(torch.eye(a.shape[1], dtype=a.dtype) - a.T @ a, a.T @ b)
    return solution


def _decomposed(x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """U, S (descending) and V of x, from the eigenvectors of the smaller one of x xᵀ and xᵀ x: many times faster.

    Singular values below 1e-7 times the largest, which drown in rounding, are left out: the least penalty shrinks what
    belongs to them to a millionth.
    """
    wide = x.shape[0] < x.shape[1]
    squares, vectors = torch.linalg.eigh(x @ x.T if wide else x.T @ x)
    squares, vectors = squares.flip(0), vectors.flip(1)
    kept = squares > squares[0].clamp(min=0) * _LEAST_SQUARE
    if not kept.any():
        kept[0] = True
    s, vectors = squares[kept].clamp(min=torch.finfo(x.dtype).tiny).sqrt(), vectors[:, kept]
    return (vectors, s, x.T @ vectors / s) if wide else (x @ vectors / s, s, vectors)
