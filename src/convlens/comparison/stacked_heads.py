"""Linear heads on the same examples as one wide linear layer: a step of all of them.

Legend: H heads, C classes, F features, B examples of a minibatch, N examples. The weights of a head are of shape
(C, F + 1): the last column is the bias, the weight of a 1 that every example gets.
"""

import itertools
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from convlens.comparison.stacked_descent import StackedDescent, descends_plainly, per_head, stacked_descent
from convlens.training.average import decay_after
from convlens.training.mixing import Mixed
from convlens.training.objective import CategoricalCrossEntropy
from convlens.training.recipe import Recipe


class Sibling(NamedTuple):
    """How one of the heads is trained."""

    recipe: Recipe
    objective: CategoricalCrossEntropy


class HeadStack:
    """The weights of all heads, and what moves them. Changes nothing of the layer that it starts from."""

    def __init__(self, siblings: Sequence[Sibling], start: nn.Linear) -> None:
        """Heads with one kind of optimizer stand next to each other."""
        recipes, classes = [one.recipe for one in siblings], start.out_features
        self.weights = torch.cat([start.weight, start.bias[:, None]], 1).detach().repeat(len(siblings), 1, 1)
        """Of shape (H, C, F + 1)."""
        self._importance = torch.stack([one.objective.importance(classes) for one in siblings], 1)
        self._asked = torch.stack(
            [one.objective.asked(classes, one.recipe.label_smoothing) for one in siblings], 1
        )  # (C, H, C): a row of them for each true class
        self._descents = list(_descents(recipes, start.in_features))
        self._decays = [recipe.ema for recipe in recipes]
        self._average = self.weights.clone() if any(self._decays) else None

    @property
    def judged(self) -> Tensor:
        """The weights that are judged: of each head its average, where its recipe wants one; (H, C, F + 1)."""
        return self.weights if self._average is None else self._average

    def step(self, number: int, rates: Sequence[float], batch: Mixed) -> tuple[Tensor, Tensor]:
        """The loss of each head before step `number`, counted from 1, and how many examples were right, (H,) each."""
        inputs = _with_ones(*batch.inputs)
        scores = _product(inputs, self.weights)
        log_p, wanted = scores.log_softmax(2), self._wanted(batch)
        slopes = log_p.exp() * wanted.sum(2, keepdim=True) - wanted  # of the loss along the scores
        gradient = (slopes.flatten(1).T @ inputs).view_as(self.weights)
        for part, descent in self._descents:
            descent.step(self.weights[part], gradient[part], per_head(rates[part]))
        if self._average is not None:
            decays = [decay_after(number, most) if most else 0.0 for most in self._decays]
            self._average.lerp_(self.weights, 1 - per_head(decays))
        return -(log_p * wanted).sum((0, 2)), _hits(scores, batch)

    def _wanted(self, batch: Mixed) -> Tensor:
        """How often −log p of each class stands in the loss of each head for each example, (B, H, C)."""
        wanted = self._wanted_of(batch.labels)
        if batch.share == 1:
            return wanted
        return batch.share * wanted + (1 - batch.share) * self._wanted_of(batch.others)

    def _wanted_of(self, labels: Tensor) -> Tensor:
        return self._asked[labels] / self._importance[labels].sum(0)[:, None]


def scores_of(inputs: Tensor, weights: Tensor) -> Tensor:
    """The logits (N, H, C) of inputs (N, F) by weights (H, C, F + 1)."""
    return _product(_with_ones(inputs), weights)


def _with_ones(inputs: Tensor) -> Tensor:
    """Inputs (N, F) with the 1 that the bias is multiplied with, (N, F + 1)."""
    return torch.cat([inputs, inputs.new_ones(len(inputs), 1)], 1)


def _product(inputs: Tensor, weights: Tensor) -> Tensor:
    heads, classes, _ = weights.shape
    return (inputs @ weights.flatten(0, 1).T).view(-1, heads, classes)


def _hits(scores: Tensor, batch: Mixed) -> Tensor:
    """How many examples each head has right, (H,); a label that is a part of an example as that part."""
    answers = scores.argmax(2)
    right = (answers == batch.labels[:, None]).sum(0)
    if batch.share == 1:
        return right
    return batch.share * right + (1 - batch.share) * (answers == batch.others[:, None]).sum(0)


def _descents(recipes: Sequence[Recipe], features: int) -> Iterator[tuple[slice, StackedDescent]]:
    """The heads of each kind of optimizer, and what moves them."""
    first = 0
    for _, group in itertools.groupby(recipes, descends_plainly):
        alike = list(group)
        yield slice(first, first + len(alike)), stacked_descent(alike, features)
        first += len(alike)
