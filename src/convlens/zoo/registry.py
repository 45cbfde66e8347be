"""The table of all networks: name -> how to build it, and its card. Nothing is built here."""

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import NamedTuple

from torch import nn

from convlens.core.errors import unknown_name
from convlens.zoo import alexnet, densenet, house, resnet, vgg
from convlens.zoo.card import NetworkCard

Build = Callable[[int], nn.Module]
"""Number of classes in, network with its paper's initialisation out."""


class Entry(NamedTuple):
    """One line of the table."""

    build: Build
    card: NetworkCard


def _family(card: NetworkCard, **builds: Build) -> dict[str, Entry]:
    return {name: Entry(build, card.model_copy(update={"name": name})) for name, build in builds.items()}


NETWORKS: Mapping[str, Entry] = MappingProxyType(
    {
        **_family(alexnet.CARD, alexnet=alexnet.alexnet),
        **_family(
            densenet.CARD,
            densenet121=densenet.densenet121,
            densenet161=densenet.densenet161,
            densenet169=densenet.densenet169,
            densenet201=densenet.densenet201,
        ),
        **_family(house.CARD, house=house.house),
        **_family(
            resnet.CARD,
            resnet18=resnet.resnet18,
            resnet34=resnet.resnet34,
            resnet50=resnet.resnet50,
            resnet101=resnet.resnet101,
            resnet152=resnet.resnet152,
        ),
        **_family(
            vgg.CARD,
            vgg11=vgg.vgg11,
            vgg11_bn=vgg.vgg11_bn,
            vgg13=vgg.vgg13,
            vgg13_bn=vgg.vgg13_bn,
            vgg16=vgg.vgg16,
            vgg16_bn=vgg.vgg16_bn,
            vgg19=vgg.vgg19,
            vgg19_bn=vgg.vgg19_bn,
        ),
    }
)


def names() -> tuple[str, ...]:
    """The names of all networks, in natural order: resnet50 before resnet101."""
    return tuple(sorted(NETWORKS, key=_natural))


def entry(name: str) -> Entry:
    """The table's line for `name`. Raises UsageError with the nearest names when there is none."""
    if name not in NETWORKS:
        raise unknown_name("network", name, names())
    return NETWORKS[name]


def card(name: str) -> NetworkCard:
    """The card of the network `name`. Raises UsageError with the nearest names when there is none."""
    return entry(name).card


def _natural(name: str) -> list[int | str]:
    """Text and numbers by turns, so that numbers are compared as numbers."""
    return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", name)]
