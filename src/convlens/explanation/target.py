"""What is differentiated, and what the network says."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from convlens.core.errors import UsageError
from convlens.core.explanation import Guess
from convlens.core.settings import setting
from convlens.explanation.statistics import rounded
from convlens.graph.graph import Graph

_GUESSES = 5
_PROBABILITIES = ("aten.softmax.int", "aten.sigmoid.default")
"""Operators whose values are probabilities already."""


class Target(NamedTuple):
    """What is differentiated: the text for a person, and the upstream gradient of the output."""

    text: str
    upstream: Tensor


def task_of(output: Tensor, target: int | None, classes: Sequence[str]) -> Target:
    """The score of class `target`, by default of the likeliest; the sum of outputs that are not (1, classes).

    Raises UsageError for a class that there is not, and another number of names than of classes.
    """
    if output.ndim != 2:
        if target is not None:
            raise UsageError(
                f"{setting('target', target)}: the output of shape {tuple(output.shape)} has no classes to choose."
            )
        return Target("the sum of all outputs", torch.ones_like(output))
    number = output.shape[1]
    if target is not None and not 0 <= target < number:
        raise UsageError(f"{setting('target', target)}: there are {number} classes, from 0 to {number - 1}.")
    if classes and len(classes) != number:
        raise UsageError(
            f"{len(classes)} names are given, and the output has {number} classes; give one name for each."
        )
    chosen = int(output[0].argmax()) if target is None else target
    upstream = torch.zeros_like(output)
    upstream[0, chosen] = 1
    alone = number == 1 and not classes
    return Target("the only output" if alone else f"the score of {_names(classes, number)[chosen]}", upstream)


def guesses_of(graph: Graph, output: Tensor, classes: Sequence[str]) -> list[Guess]:
    """The likeliest classes of an output of shape (1, classes), which holds probabilities already, or scores.

    Empty for other shapes, and for one output alone, which says nothing about classes.
    """
    if output.ndim != 2 or output.shape[1] == 1:
        return []
    number = output.shape[1]
    known = graph.by_name[graph.outputs[0]].operator in _PROBABILITIES
    best = (output[0] if known else output[0].softmax(0)).topk(min(_GUESSES, number))
    return [
        Guess(name=_names(classes, number)[i], probability=rounded(p))
        for i, p in zip(best.indices.tolist(), best.values.tolist(), strict=True)
    ]


def _names(classes: Sequence[str], number: int) -> Sequence[str]:
    return classes or [f"class {i}" for i in range(number)]
