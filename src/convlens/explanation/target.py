"""What is differentiated, and what the network says."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
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


@dataclasses.dataclass(frozen=True, kw_only=True)
class Readout:
    """How a person reads outputs of shape (1, N), where these are no scores of which one class is the likeliest."""

    text: str
    """What is differentiated, with {} for the name of the output."""
    chosen: Callable[[Tensor], int]
    """The output that is differentiated where nobody asks for one."""
    guesses: Callable[[Tensor], list[Guess]]


def target_of(output: Tensor, target: int | None, classes: Sequence[str], readout: Readout | None = None) -> Target:
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
    if target is None:
        target = readout.chosen(output) if readout else int(output[0].argmax())
    upstream = torch.zeros_like(output)
    upstream[0, target] = 1
    if number == 1 and not classes:
        return Target("the only output", upstream)
    text = readout.text if readout else "the score of {}"
    return Target(text.format(_names(classes, number)[target]), upstream)


def guesses_of(graph: Graph, output: Tensor, classes: Sequence[str]) -> list[Guess]:
    """The likeliest classes of an output of shape (1, classes), which holds probabilities already, or scores.

    Empty for other shapes, and for one output alone, which says nothing about classes.
    """
    if output.ndim != 2 or output.shape[1] == 1:
        return []
    number = output.shape[1]
    known = graph.by_name[graph.outputs[0]].operator in _PROBABILITIES
    probabilities = output[0] if known else output[0].softmax(0)
    return likeliest(dict(zip(_names(classes, number), probabilities.tolist(), strict=True)))


def likeliest(probabilities: Mapping[str, float]) -> list[Guess]:
    """The names with the highest probabilities, the highest first."""
    ranked = sorted(probabilities.items(), key=lambda item: -item[1])
    return [Guess(name=name, probability=rounded(p)) for name, p in ranked[:_GUESSES]]


def _names(classes: Sequence[str], number: int) -> Sequence[str]:
    return classes or [f"class {i}" for i in range(number)]
