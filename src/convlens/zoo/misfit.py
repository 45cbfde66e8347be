"""Misfits: what a person is told of weights that do not fit a network, and what to do."""

from pathlib import Path
from typing import NamedTuple

from convlens.core.errors import DataError
from convlens.core.settings import setting
from convlens.zoo.alignment import aligned
from convlens.zoo.match import Differences, State, classes_in, differences, without
from convlens.zoo.registry import NETWORKS
from convlens.zoo.structure import structure

_NEAR = 0.5
"""The least part of a network's tensors that a file must have for it to be named."""


class _Nearness(NamedTuple):
    """How near a state is to a network of the zoo."""

    name: str
    share: float
    """Which part of the network's tensors it has, by name and shape."""
    fits: bool
    """Whether it fits by names and shapes, for any number of classes."""


def misfit(expected: State, state: State, source: str | Path, head: str, name: str) -> DataError:
    """The error for a state that does not fit: how near it is, which names differ, and what to try instead."""
    zoo = [_nearness(one, state) for one in NETWORKS]
    have, want = classes_in(state, head), classes_in(expected, head)
    if have != want and any(one.fits and one.name == name for one in zoo):
        return DataError(
            f"{source} holds {name} with {have} classes, and {want} classes are asked for. "
            "Leave the number of classes to the file, and replace the last layer afterwards."
        )
    found = differences(expected, state)
    near = f"{_shared(expected, state)} of {len(expected)} tensors fit"
    return DataError(f"{source} does not fit {name}: {near}; {found}. {_advice(zoo, head, name, found)}")


def _advice(zoo: list[_Nearness], head: str, name: str, found: Differences) -> str:
    if fits := [one.name for one in zoo if one.fits and one.name != name]:
        return f"It fits {' and '.join(fits)}: try {setting('backbone', fits[0])}."
    if all(one.startswith(f"{head}.") for names in found for one in names):
        return (
            f"All but the last layer, {head}, fits: train from this file, which brings a new last layer; to use the "
            "network as it is, name a file that has one."
        )
    nearest = max(zoo, key=lambda one: one.share)
    near = f", and is nearest to {nearest.name} ({nearest.share:.0%} of its tensors)" if nearest.share >= _NEAR else ""
    return (
        f"It fits no network of the zoo (`convlens zoo`){near}: names and shapes must be torchvision's. Load it into a "
        "module of its own network in Python and train that, convlens.train(..., backbone=module), or name the network "
        f"of timm that it is for ({setting('backbone', 'timm:NAME')})."
    )


def _nearness(name: str, state: State) -> _Nearness:
    build, card = NETWORKS[name]
    expected = structure(build, card.classes).state_dict()
    own = without(aligned(state, expected.keys()).state, card.dropped_weights)
    classes, found = classes_in(own, card.head), differences(expected, own)
    fits = bool(classes) and not (found.missing or found.unexpected)
    if fits and found.reshaped and classes is not None:
        fits = not any(differences(structure(build, classes).state_dict(), own))
    return _Nearness(name, _shared(expected, own) / len(expected), fits)


def _shared(expected: State, state: State) -> int:
    return sum(name in state and state[name].shape == tensor.shape for name, tensor in expected.items())
