"""Linear heads on the same examples as one wide linear layer: a step of all of them.

Legend: H heads, C outputs of a head, F features, B examples of a minibatch, N examples. The weights of a head are of
shape (C, F + 1): the last column is the bias, the weight of a 1 that every example gets.
"""

import itertools
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn

from convlens.comparison.stacked_descent import StackedDescent, descends_plainly, per_head, stacked_descent
from convlens.comparison.stacked_losses import Sibling, mixed_hits, stacked_loss
from convlens.training.average import decay_after
from convlens.training.mixing import Mixed
from convlens.training.recipe import Recipe


class HeadStack:
    """The weights of all heads, and what moves them. Changes nothing of the layer that it starts from."""

    def __init__(self, siblings: Sequence[Sibling], start: nn.Linear) -> None:
        """Heads with one kind of optimizer stand next to each other."""
        recipes = [one.recipe for one in siblings]
        self.weights = torch.cat([start.weight, start.bias[:, None]], 1).detach().repeat(len(siblings), 1, 1)
        """Of shape (H, C, F + 1)."""
        self._loss = stacked_loss(siblings, start.out_features)
        self._descents = list(_descents(recipes, start.in_features))
        self._decays = [recipe.ema for recipe in recipes]
        self._average = self.weights.clone() if any(self._decays) else None

    @property
    def evaluated(self) -> Tensor:
        """The weights that are evaluated: of each head its average, where its recipe wants one; (H, C, F + 1)."""
        return self.weights if self._average is None else self._average

    def step(self, number: int, rates: Sequence[float], batch: Mixed) -> tuple[Tensor, Tensor]:
        """The loss of each head before step `number`, counted from 1, and how many examples were right, (H,) each."""
        inputs = _with_ones(*batch.inputs)
        outputs = _product(inputs, self.weights)
        losses, slopes = self._loss(outputs, batch)
        gradient = (slopes.flatten(1).T @ inputs).view_as(self.weights)
        for part, descent in self._descents:
            descent.step(self.weights[part], gradient[part], per_head(rates[part]))
        if self._average is not None:
            decays = [decay_after(number, most) if most else 0.0 for most in self._decays]
            self._average.lerp_(self.weights, 1 - per_head(decays))
        return losses, mixed_hits(self._loss, outputs, batch)


def outputs_of(inputs: Tensor, weights: Tensor) -> Tensor:
    """The outputs (N, H, C) of inputs (N, F) by weights (H, C, F + 1)."""
    return _product(_with_ones(inputs), weights)


def _with_ones(inputs: Tensor) -> Tensor:
    """Inputs (N, F) with the 1 that the bias is multiplied with, (N, F + 1)."""
    return torch.cat([inputs, inputs.new_ones(len(inputs), 1)], 1)


def _product(inputs: Tensor, weights: Tensor) -> Tensor:
    heads, outputs, _ = weights.shape
    return (inputs @ weights.flatten(0, 1).T).view(-1, heads, outputs)


def _descents(recipes: Sequence[Recipe], features: int) -> Iterator[tuple[slice, StackedDescent]]:
    """The heads of each kind of optimizer, and what moves them."""
    first = 0
    for _, group in itertools.groupby(recipes, descends_plainly):
        alike = list(group)
        yield slice(first, first + len(alike)), stacked_descent(alike, features)
        first += len(alike)
