"""One line of the table of networks: how to build it, and its card."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import NamedTuple

from torch import nn

from convlens.zoo.card import NetworkCard

Build = Callable[[int], nn.Module]
"""Number of classes in, network with its paper's initialization out."""


class Entry(NamedTuple):
    """A network that can be built by its name."""

    build: Build
    card: NetworkCard


def family(card: NetworkCard, **builds: Build) -> Mapping[str, Entry]:
    """Networks by name that share all that `card` says but their names."""
    return MappingProxyType(
        {name: Entry(build, card.model_copy(update={"name": name})) for name, build in builds.items()}
    )
