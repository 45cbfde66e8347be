"""Steps of several heads at once, each with numbers of its own.

The rules are those of `optimizer` and `adam`, whose kernels take one learning rate, momentum and decay for all that
they move; here each of these is a tensor with one number for every head.

Legend: H heads, C classes, F features. Weights are of shape (H, C, F + 1), with the bias in the last column; what is a
head's own of shape (H, 1, 1), learning rates included.
"""

import math
from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor

from convlens.training.adam import BETAS, EPSILON
from convlens.training.recipe import Recipe

_SMALL = 1e-6


class StackedDescent(Protocol):
    """Moves the weights of all heads, each as its recipe says."""

    def step(self, weights: Tensor, gradient: Tensor, rates: Tensor) -> None:
        """Change `weights` by a step."""
        ...


def descends_plainly(recipe: Recipe) -> bool:
    """Whether it is gradient descent, with or without momentum, and not one of Adam's forms."""
    return recipe.optimizer == "sgd"


def stacked_descent(recipes: Sequence[Recipe], features: int) -> StackedDescent:
    """What moves heads by these recipes, of which all or none descend plainly."""
    return (StackedGradientDescent if descends_plainly(recipes[0]) else StackedAdam)(recipes, features)


class StackedGradientDescent:
    """`StochasticGradientDescent` with momentum, Nesterov's form, weight decay and limit for each head."""

    def __init__(self, recipes: Sequence[Recipe], features: int) -> None:
        self._momentum = per_head([one.momentum for one in recipes])
        self._nesterov = per_head([float(one.nesterov) for one in recipes]).bool()
        self._decay = _decays([one.weight_decay for one in recipes], features)
        self._limit = _limits(recipes)
        self._velocity = torch.zeros(())

    def step(self, weights: Tensor, gradient: Tensor, rates: Tensor) -> None:
        """θ ← θ − α v, or θ − α (g + λ θ + μ v), with v ← μ v + (g + λ θ)."""
        slope = torch.addcmul(_shortened(gradient, self._limit), weights, self._decay)
        self._velocity = torch.addcmul(slope, self._momentum, self._velocity)
        ahead = torch.addcmul(slope, self._momentum, self._velocity)
        weights.addcmul_(rates, torch.where(self._nesterov, ahead, self._velocity), value=-1)


class StackedAdam:
    """`Adam`, decoupled or not, with weight decay and limit for each head."""

    def __init__(self, recipes: Sequence[Recipe], features: int) -> None:
        decoupled = [one.weight_decay if one.optimizer == "adamw" else 0.0 for one in recipes]
        coupled = [one.weight_decay if one.optimizer == "adam" else 0.0 for one in recipes]
        self._shrinkage = _decays(decoupled, features)
        self._decay = _decays(coupled, features)
        self._limit = _limits(recipes)
        self._steps = 0
        self._mean = self._square = torch.zeros(())

    def step(self, weights: Tensor, gradient: Tensor, rates: Tensor) -> None:
        """θ ← θ − α m̂ / (√ŝ + ε), after θ ← θ − α λ θ where the decay is decoupled."""
        slope = torch.addcmul(_shortened(gradient, self._limit), weights, self._decay)
        self._steps += 1
        memory, memory_of_squares = BETAS
        self._mean = memory * self._mean + (1 - memory) * slope
        self._square = memory_of_squares * self._square + (1 - memory_of_squares) * slope * slope
        spread = self._square.sqrt() / math.sqrt(1 - memory_of_squares**self._steps) + EPSILON
        weights.mul_(1 - rates * self._shrinkage)
        weights.addcmul_(rates / (1 - memory**self._steps), self._mean / spread, value=-1)


def per_head(values: Sequence[float]) -> Tensor:
    """One number for each head, of shape (H, 1, 1)."""
    return torch.tensor(values).view(-1, 1, 1)


def _decays(values: Sequence[float], features: int) -> Tensor:
    """Weight decays of shape (H, 1, F + 1): biases do not decay."""
    decays = per_head(values).repeat(1, 1, features + 1)
    decays[:, :, -1] = 0
    return decays


def _limits(recipes: Sequence[Recipe]) -> Tensor | None:
    """The longest that each head's gradient may be, or None where none has a limit."""
    if not any(one.clip for one in recipes):
        return None
    return per_head([one.clip or math.inf for one in recipes])


def _shortened(gradient: Tensor, limit: Tensor | None) -> Tensor:
    """The gradient with the norm of each head's part at its limit, as `torch.nn.utils.clip_grad_norm_` has it."""
    if limit is None:
        return gradient
    norms: Tensor = torch.linalg.vector_norm(gradient, dim=(1, 2), keepdim=True)
    return gradient * (limit / (norms + _SMALL)).clamp(max=1)
