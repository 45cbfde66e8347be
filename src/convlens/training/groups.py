"""Parameters that an optimizer moves alike: with one weight decay, and at one part of the learning rate."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from torch import Tensor, nn


class Group(NamedTuple):
    """Names of parameters, and how they move."""

    names: list[str]
    weight_decay: float
    factor: float
    """Their part of the learning rate."""


def parameter_groups(
    parameters: Mapping[str, nn.Parameter], weight_decay: float, factors: Mapping[str, float]
) -> list[Group]:
    """The parameters in groups. Biases and parameters of normalization do not decay; a factor not given is 1."""
    groups: dict[tuple[float, float], list[str]] = {}
    for name, parameter in parameters.items():
        decay = weight_decay if parameter.ndim > 1 else 0.0
        groups.setdefault((decay, factors.get(name, 1.0)), []).append(name)
    return [Group(names, *key) for key, names in groups.items()]


def gradients_of(parameters: Mapping[str, nn.Parameter], names: Sequence[str]) -> tuple[list[str], list[Tensor]]:
    """Those of the named parameters that have a gradient, and their gradients."""
    found = [(name, gradient) for name in names if (gradient := parameters[name].grad) is not None]
    return [name for name, _ in found], [gradient for _, gradient in found]
