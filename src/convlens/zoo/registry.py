"""The table of all networks: name -> how to build it, and its card. Nothing is built here."""

import difflib
import re
from collections.abc import Mapping
from types import MappingProxyType

from convlens.core.errors import UsageError, unknown_name
from convlens.core.settings import setting
from convlens.zoo import (
    alexnet,
    alexnet_2012,
    causal_stack,
    context_module,
    deeplab,
    densenet,
    densenet_cifar,
    dilated_vgg,
    efficientnet_lite,
    enet,
    fcn,
    googlenet,
    house,
    inception_v3,
    inception_v4,
    lenet5,
    mlp,
    mobilenet,
    nin,
    resnet,
    resnet_cifar,
    segnet,
    senet,
    small_convnet,
    squeezenet,
    unet,
    vgg,
    zfnet,
)
from convlens.zoo.card import NetworkCard
from convlens.zoo.elsewhere import has_name_of_timm, name_in_timm
from convlens.zoo.entry import Entry

NETWORKS: Mapping[str, Entry] = MappingProxyType(
    {
        **alexnet.NETWORKS,
        **alexnet_2012.NETWORKS,
        **causal_stack.NETWORKS,
        **context_module.NETWORKS,
        **deeplab.NETWORKS,
        **densenet.NETWORKS,
        **densenet_cifar.NETWORKS,
        **dilated_vgg.NETWORKS,
        **efficientnet_lite.NETWORKS,
        **enet.NETWORKS,
        **fcn.NETWORKS,
        **googlenet.NETWORKS,
        **house.NETWORKS,
        **inception_v3.NETWORKS,
        **inception_v4.NETWORKS,
        **lenet5.NETWORKS,
        **mlp.NETWORKS,
        **mobilenet.NETWORKS,
        **nin.NETWORKS,
        **resnet.NETWORKS,
        **resnet_cifar.NETWORKS,
        **segnet.NETWORKS,
        **senet.NETWORKS,
        **small_convnet.NETWORKS,
        **squeezenet.NETWORKS,
        **unet.NETWORKS,
        **vgg.NETWORKS,
        **zfnet.NETWORKS,
    }
)


_MISSPELLED = 0.85
"""How alike a name must be to one of the zoo's to be taken for it rather than for one of timm's."""
_ADOPTED: dict[str, Entry] = {}
"""Networks of other libraries and of people's own, by names with a colon, which none of the zoo's has."""


def adopt(entry: Entry) -> None:
    """Make a network that is not the zoo's known under its card's name, in this process."""
    assert ":" in entry.card.name
    _ADOPTED[entry.card.name] = entry


def is_adopted(name: str) -> bool:
    """Whether that is a name of a network that is not the zoo's."""
    return name in _ADOPTED


def names() -> tuple[str, ...]:
    """The names of all networks, in natural order: resnet50 before resnet101."""
    return tuple(sorted(NETWORKS, key=_natural))


def entry(name: str) -> Entry:
    """The table's line for `name`. Raises UsageError with the nearest names when there is none."""
    if name in _ADOPTED:
        return _ADOPTED[name]
    if ":" in name:
        raise UsageError(
            f"the network {name!r} is not the zoo's, but was given as a module. Make it known in this process, too: "
            f"convlens.adopt(module, {name!r})."
        )
    if name not in NETWORKS:
        raise unknown_network(name)
    return NETWORKS[name]


def unknown_network(name: str, kind: str = "network") -> UsageError:
    """The error for a name that no network of the zoo has; it points to timm where timm has what is meant."""
    misspelled = difflib.get_close_matches(name, NETWORKS, n=1, cutoff=_MISSPELLED) and not has_name_of_timm(name)
    if not misspelled and (elsewhere := name_in_timm(name)) is not None:
        return UsageError(
            f"unknown {kind} {name!r}: it is not in the zoo (`convlens zoo`), but the timm library has such networks. "
            f"Install that (pip install 'convlens[timm]') and train with {setting('backbone', f'timm:{elsewhere}')}."
        )
    return unknown_name(kind, name, names())


def card(name: str) -> NetworkCard:
    """The card of the network `name`. Raises UsageError with the nearest names when there is none."""
    return entry(name).card


def _natural(name: str) -> list[int | str]:
    """Text and numbers by turns, so that numbers are compared as numbers."""
    return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", name)]
