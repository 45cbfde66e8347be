"""At once: the trainings of a comparison that are faster side by side than one after another."""

import dataclasses
import itertools
import time
from collections.abc import Sequence

from torch import nn

from convlens.comparison.outcome import Outcome
from convlens.comparison.siblings import fit_siblings
from convlens.comparison.stacked_heads import Sibling
from convlens.pipeline.fit import Fitting
from convlens.training.objective import CategoricalCrossEntropy
from convlens.training.recipe import Recipe
from convlens.transfer.networks import CutNetwork

_MOST_WEIGHTS = 2**18
"""In all heads of a stack. A step of fewer is mostly overhead, which they share; more leave the processor's cache."""


def trained_at_once(fitting: Fitting, recipes: Sequence[Recipe]) -> list[Outcome | None]:
    """The outcomes of recipes of one `family`, equal to those of training alone but for rounding.

    None for those that are to train alone: where more than a linear layer on stored features is trained, where it is
    too large to be faster so, and where the loss became no number, which training alone reports with its place.
    `fitting` is that of the first recipe.
    """
    head = linear_head(fitting.prepared.cut, fitting.recipe)
    if head is None:
        return [None] * len(recipes)
    outcomes: list[Outcome | None] = []
    for part in in_parts(recipes, _MOST_WEIGHTS // _weights(head)):
        outcomes += _outcomes(fitting, head, part) if len(part) > 1 else [None]
    return outcomes


def linear_head(cut: CutNetwork, recipe: Recipe) -> nn.Linear | None:
    """The layer that is trained, where it is all that the suffix consists of, and trained by steps on the CPU."""
    head = cut.module.get_submodule(cut.head)
    suffixes = [[node.operator for node in both.suffix.operators] for both in (cut.training, cut.evaluation)]
    usual = (
        recipe.head == "linear" and not recipe.cutmix and recipe.progressive_resizing == 1 and recipe.device == "cpu"
    )
    if usual and isinstance(head, nn.Linear) and cut.new_head is None and suffixes == [["aten.linear.default"]] * 2:
        return head
    return None


def _weights(head: nn.Linear) -> int:
    return head.weight.numel() + head.bias.numel()


def in_parts(recipes: Sequence[Recipe], largest: int) -> list[Sequence[Recipe]]:
    """The recipes in their order, in as few parts as can be, of even length and none longer than `largest`."""
    number = -(-len(recipes) // max(largest, 1))
    borders = [place * len(recipes) // number for place in range(number + 1)]
    return [recipes[first:last] for first, last in itertools.pairwise(borders)]


def _outcomes(fitting: Fitting, head: nn.Linear, recipes: Sequence[Recipe]) -> list[Outcome | None]:
    train, val = fitting.examples("train", augment=fitting.recipe.augment), fitting.examples("val", augment=False)
    siblings = [Sibling(recipe, _objective(fitting, recipe)) for recipe in recipes]
    start = time.perf_counter()
    found = fit_siblings(siblings, head, train, val)
    seconds = (time.perf_counter() - start) / len(recipes)
    return [
        one
        and Outcome.of(
            fitting.manifest,
            one.logits,
            val.labels,
            history=one.history,
            seconds=seconds,
            trained_parameters=_weights(head),
        )
        for one in found
    ]


def _objective(fitting: Fitting, recipe: Recipe) -> CategoricalCrossEntropy:
    objective = dataclasses.replace(fitting, recipe=recipe).objective
    if not isinstance(objective, CategoricalCrossEntropy):
        raise TypeError(f"heads train at once for classes; {fitting.task.kind.noun[1]} have {type(objective).__name__}")
    return objective
