"""Siblings: recipes for linear heads that see the same minibatches, so that all of them train at once.

One seed draws one order of examples, one choice of views and one way of mixing. So each minibatch is read once for all,
and multiplied with the weights of all heads side by side: a step of twelve costs little more than that of one.
"""

import math
import time
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from convlens.comparison.stacked_descent import descends_plainly
from convlens.comparison.stacked_heads import HeadStack, outputs_of
from convlens.comparison.stacked_losses import Sibling
from convlens.core.run import EpochMetrics
from convlens.training.early_stopping import best_epoch, stalled
from convlens.training.examples import Examples
from convlens.training.mixing import mixed
from convlens.training.objective import Standing
from convlens.training.order import epoch_orders, minibatches, seeded, steps_in_epoch
from convlens.training.recipe import SETTINGS, Recipe, affecting_only
from convlens.training.schedule import learning_rate

_EVALUATION_BATCH = 256


class TrainedHead(NamedTuple):
    """A head as `fit` would leave it, but for rounding."""

    history: list[EpochMetrics]
    """`seconds` are the head's share: the time of an epoch over the number of heads that it trained."""
    weight: Tensor
    """Of shape (outputs, features)."""
    bias: Tensor
    """Of shape (outputs,)."""
    logits: Tensor
    """Outputs of the validation examples, of shape (N, outputs)."""


def family(recipe: Recipe) -> Recipe:
    """What the recipe has in common with its siblings: two are siblings where this is equal."""
    return recipe.model_copy(update={name: SETTINGS[name].default for name in affecting_only("head")})


def fit_siblings(
    siblings: Sequence[Sibling], start: nn.Linear, train: Examples, val: Examples
) -> list[TrainedHead | None]:
    """What `fit` gives for each recipe alone, from the weights of `start`; None where the loss became no number.

    Minibatches, rates and rules are those of `fit`; sums are formed in another order, so that results differ by
    rounding. The recipes are of one `family`, their objectives of one type of `stacked_losses.STACKED`; the examples
    have one input of shape (N, features). `start` is not changed.
    """
    # The stack wants heads with one kind of optimizer side by side.
    places = sorted(range(len(siblings)), key=lambda place: descends_plainly(siblings[place].recipe))
    recipe = siblings[0].recipe
    with seeded(recipe), torch.inference_mode():
        training = _Training([siblings[place] for place in places], start, train, val)
        for epoch, order in enumerate(epoch_orders(recipe, len(train.labels))):
            if training.running:
                training.run_epoch(epoch, order)
        heads = dict(zip(places, training.finished(), strict=True))
    return [heads[place] for place in range(len(siblings))]


class _Training:
    """Heads on their way through the epochs."""

    def __init__(self, siblings: Sequence[Sibling], start: nn.Linear, train: Examples, val: Examples) -> None:
        self._recipes = [one.recipe for one in siblings]
        self._objectives = [one.objective for one in siblings]
        self._train, self._val = train, val
        self._steps = steps_in_epoch(len(train.labels), self._recipes[0].batch_size)
        """In an epoch."""
        self._stack = HeadStack(siblings, start)
        self._best = self._stack.weights.clone()
        self._histories: list[list[EpochMetrics]] = [[] for _ in siblings]
        self._lost: set[int] = set()
        """Heads whose loss became no number."""

    @property
    def running(self) -> list[int]:
        """The heads that neither stopped early nor were lost."""
        return [
            head
            for head, (recipe, history) in enumerate(zip(self._recipes, self._histories, strict=True))
            if head not in self._lost and not stalled(history, recipe.early_stopping)
        ]

    def run_epoch(self, epoch: int, order: Tensor) -> None:
        """All steps of an epoch, counted from 0, and the evaluation of the heads."""
        begun, running = time.perf_counter(), self.running
        train = self._steps_through(order, first=epoch * self._steps)
        rates = self._rates((epoch + 1) * self._steps - 1)
        val = self._standings()
        seconds = (time.perf_counter() - begun) / len(running)
        for head in running:
            if not math.isfinite(train[head].loss + val[head].loss):
                self._lost.add(head)
                continue
            metrics = EpochMetrics(
                epoch=epoch + 1,
                learning_rate=rates[head],
                train_loss=train[head].loss,
                train_accuracy=None if val[head].accuracy is None else train[head].accuracy,
                val_loss=val[head].loss,
                val_accuracy=val[head].accuracy,
                seconds=seconds,
            )
            self._histories[head].append(metrics)
            if best_epoch(self._histories[head]) == metrics.epoch:
                self._best[head] = self._stack.evaluated[head]

    def finished(self) -> list[TrainedHead | None]:
        """The heads with the weights that are kept: of the best epoch, their average, or the last."""
        kept = self._stack.evaluated.clone()
        for head, recipe in enumerate(self._recipes):
            if recipe.early_stopping:
                kept[head] = self._best[head]
        logits = self._logits(kept)
        return [
            None
            if head in self._lost
            else TrainedHead(history, kept[head, :, :-1].clone(), kept[head, :, -1].clone(), logits[:, head].clone())
            for head, history in enumerate(self._histories)
        ]

    def _steps_through(self, order: Tensor, first: int) -> list[Standing]:
        """Make the steps of an epoch, from step number `first` on; how each head did in them, before each step."""
        sums = torch.zeros(2, len(self._recipes), dtype=torch.float64)
        for step, indices in enumerate(minibatches(order, self._recipes[0].batch_size), start=first):
            inputs, labels = self._train.batch(indices), self._train.labels[indices]
            batch = mixed(inputs, labels, mixup=self._recipes[0].mixup, cutmix=0.0)
            losses, hits = self._stack.step(step + 1, self._rates(step), batch)
            sums[0].add_(losses, alpha=len(indices))
            sums[1].add_(hits)
        return [Standing(*means) for means in (sums / len(order)).T.tolist()]

    def _rates(self, step: int) -> list[float]:
        """The learning rate of each head at the step, counted from 0."""
        return [learning_rate(recipe, step / (recipe.epochs * self._steps)) for recipe in self._recipes]

    def _standings(self) -> list[Standing]:
        """How well each head does on the validation examples."""
        logits = self._logits(self._stack.evaluated)
        return [one.standing(logits[:, head], self._val.labels) for head, one in enumerate(self._objectives)]

    def _logits(self, weights: Tensor) -> Tensor:
        """Outputs of all validation examples, of shape (N, heads, outputs)."""
        logits = torch.empty(len(self._val.labels), *weights.shape[:2])
        for indices in torch.split(torch.arange(len(logits)), _EVALUATION_BATCH):
            (inputs,) = self._val.batch(indices)
            logits[indices] = outputs_of(inputs, weights)
        return logits
