"""Losses of several heads at once, with their slopes written out: autograd takes three times as long.

Each has what the objective of the same name has, with class weights and label smoothing of each head's own. The
losses of heads do not depend on each other, so the slopes of their sum are those of each.

Legend: H heads, C outputs of a head, B examples of a minibatch. Outputs are of shape (B, H, C).
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from convlens.training.mixing import Mixed
from convlens.training.objective import L2, BinaryCrossEntropy, CategoricalCrossEntropy, Objective
from convlens.training.recipe import Recipe


class LossAndSlopes(NamedTuple):
    """Of the outputs of all heads on a minibatch."""

    losses: Tensor
    """Mean over the examples, of shape (H,)."""
    slopes: Tensor
    """Of each head's loss along its outputs, of shape (B, H, C)."""


class StackedLoss(Protocol):
    """The objectives of all heads."""

    def __call__(self, outputs: Tensor, batch: Mixed) -> LossAndSlopes:
        """Against both labels of each example, each by its share."""
        ...

    def hits(self, outputs: Tensor, labels: Tensor) -> Tensor:
        """How many examples each head has right, as the objective counts, (H,)."""
        ...


class Sibling(NamedTuple):
    """How one of the heads is trained."""

    recipe: Recipe
    objective: Objective


def stacked_loss(siblings: Sequence[Sibling], outputs: int) -> StackedLoss:
    """The loss of heads with that many outputs each, whose objectives are of one type of `STACKED`."""
    return STACKED[type(siblings[0].objective)](siblings, outputs)


def mixed_hits(loss: StackedLoss, outputs: Tensor, batch: Mixed) -> Tensor:
    """How many examples each head has right, (H,); a label that is a part of an example as that part."""
    right = loss.hits(outputs, batch.labels)
    if batch.share == 1:
        return right
    return batch.share * right + (1 - batch.share) * loss.hits(outputs, batch.others)


class StackedCategoricalCrossEntropy:
    """Σ wₖ (−log pₖ) for each example, with p the softmax and weights w by its class; labels (B,) are class numbers."""

    def __init__(self, siblings: Sequence[Sibling], outputs: int) -> None:
        objectives = [one.objective for one in siblings if isinstance(one.objective, CategoricalCrossEntropy)]
        self._importance = torch.stack([one.importance(outputs) for one in objectives], 1)
        both = zip(objectives, siblings, strict=True)
        self._asked = torch.stack([one.asked(outputs, head.recipe.label_smoothing) for one, head in both], 1)
        """(C, H, C): a row of them for each true class."""

    def __call__(self, outputs: Tensor, batch: Mixed) -> LossAndSlopes:
        """The slopes are p Σ w − w."""
        log_p, wanted = outputs.log_softmax(2), self._wanted(batch)
        slopes = log_p.exp() * wanted.sum(2, keepdim=True) - wanted
        return LossAndSlopes(-(log_p * wanted).sum((0, 2)), slopes)

    def hits(self, outputs: Tensor, labels: Tensor) -> Tensor:
        """Those whose largest output is at the true class."""
        return (outputs.argmax(2) == labels[:, None]).sum(0)

    def _wanted(self, batch: Mixed) -> Tensor:
        """How often −log p of each class stands in the loss of each head for each example, (B, H, C)."""
        wanted = self._wanted_of(batch.labels)
        if batch.share == 1:
            return wanted
        return batch.share * wanted + (1 - batch.share) * self._wanted_of(batch.others)

    def _wanted_of(self, labels: Tensor) -> Tensor:
        return self._asked[labels] / self._importance[labels].sum(0)[:, None]


class StackedBinaryCrossEntropy:
    """w y (−log p) + (1 − y) (−log(1 − p)) with p the sigmoid, mean over examples and labels; y (B, C) are 0 or 1."""

    def __init__(self, siblings: Sequence[Sibling], outputs: int) -> None:
        objectives = [one.objective for one in siblings if isinstance(one.objective, BinaryCrossEntropy)]
        ones = torch.ones(outputs)
        weights = [ones if one.positive_weights is None else one.positive_weights for one in objectives]
        self._positive_weights = torch.stack(weights)
        """(H, C)."""
        self._smoothing = torch.tensor([one.recipe.label_smoothing for one in siblings]).view(-1, 1)

    def __call__(self, outputs: Tensor, batch: Mixed) -> LossAndSlopes:
        """Linear in y, so that two labels by their shares are one between them; slopes are p (w y + 1 − y) − w y."""
        labels = _between(batch)[:, None]
        labels = labels + self._smoothing * (0.5 - labels)
        positive, negative = self._positive_weights * labels, 1 - labels
        losses = positive * F.softplus(-outputs) + negative * F.softplus(outputs)
        slopes = outputs.sigmoid() * (positive + negative) - positive
        return LossAndSlopes(losses.mean((0, 2)), slopes / batch.labels.numel())

    def hits(self, outputs: Tensor, labels: Tensor) -> Tensor:
        """The labels that are right, as a part of all labels."""
        return ((outputs > 0) == (labels[:, None] > 0.5)).float().mean(2).sum(0)


class StackedL2:
    """(z − y)², mean over examples and numbers; y are of shape (B, C)."""

    def __init__(self, siblings: Sequence[Sibling], outputs: int) -> None:
        self._heads = len(siblings)

    def __call__(self, outputs: Tensor, batch: Mixed) -> LossAndSlopes:
        """The slopes are those of the numbers between both, as 2 z − 2 y is linear in y; the losses are not."""
        errors = outputs - batch.labels[:, None]
        losses = errors.square().mean((0, 2))
        if batch.share < 1:
            others = (outputs - batch.others[:, None]).square().mean((0, 2))
            losses = batch.share * losses + (1 - batch.share) * others
            errors = outputs - _between(batch)[:, None]
        return LossAndSlopes(losses, 2 * errors / batch.labels.numel())

    def hits(self, outputs: Tensor, labels: Tensor) -> Tensor:
        """None: a number is near or far, not right or wrong."""
        return torch.zeros(self._heads)


def _between(batch: Mixed) -> Tensor:
    """Both labels of each example by their shares, (B, C)."""
    if batch.share == 1:
        return batch.labels
    return torch.lerp(batch.others, batch.labels, batch.share)


STACKED: dict[type[Objective], Callable[[Sequence[Sibling], int], StackedLoss]] = {
    CategoricalCrossEntropy: StackedCategoricalCrossEntropy,
    BinaryCrossEntropy: StackedBinaryCrossEntropy,
    L2: StackedL2,
}
"""The stacked form of each objective that has one; heads with another one train one after another."""
