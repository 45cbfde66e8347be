"""The table of all networks: name -> how to build it, and its card. Nothing is built here."""

import re
from collections.abc import Mapping
from types import MappingProxyType

from convlens.core.errors import unknown_name
from convlens.zoo import (
    alexnet,
    causal_stack,
    context_module,
    densenet,
    densenet_cifar,
    dilated_vgg,
    house,
    resnet,
    resnet_cifar,
    senet,
    vgg,
)
from convlens.zoo.card import NetworkCard
from convlens.zoo.entry import Entry

NETWORKS: Mapping[str, Entry] = MappingProxyType(
    {
        **alexnet.NETWORKS,
        **causal_stack.NETWORKS,
        **context_module.NETWORKS,
        **densenet.NETWORKS,
        **densenet_cifar.NETWORKS,
        **dilated_vgg.NETWORKS,
        **house.NETWORKS,
        **resnet.NETWORKS,
        **resnet_cifar.NETWORKS,
        **senet.NETWORKS,
        **vgg.NETWORKS,
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
