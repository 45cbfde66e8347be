"""Whether a state fits a network, and what differs."""

from collections.abc import Mapping
from typing import NamedTuple

from torch import Tensor

State = Mapping[str, Tensor]
"""Dotted name -> parameter or buffer."""

COUNTER = "num_batches_tracked"
"""Files from before torch 0.4.1 lack this buffer of batch normalization, which matters to no network here."""

_NAMES_SHOWN = 3


class Differences(NamedTuple):
    """Names that only the network has, that only the file has, and whose shapes differ, with both shapes."""

    missing: tuple[str, ...]
    unexpected: tuple[str, ...]
    reshaped: tuple[str, ...]

    def __str__(self) -> str:
        parts = {"missing": self.missing, "unexpected": self.unexpected, "of another shape": self.reshaped}
        return "; ".join(f"{len(found)} {kind}: {_first(found)}" for kind, found in parts.items() if found)


def differences(expected: State, state: State) -> Differences:
    """How `state` differs in names and shapes from what a network expects."""
    return Differences(
        missing=tuple(name for name in expected if name not in state and not name.endswith(COUNTER)),
        unexpected=tuple(name for name in state if name not in expected),
        reshaped=tuple(
            f"{name} ({_shape(tensor)} in the file, {_shape(expected[name])} in the network)"
            for name, tensor in state.items()
            if name in expected and tensor.shape != expected[name].shape
        ),
    )


def without(state: State, dropped: tuple[str, ...]) -> dict[str, Tensor]:
    """The state less the tensors that a network leaves out: those whose names begin like one of `dropped`."""
    return {name: tensor for name, tensor in state.items() if not name.startswith(dropped)}


def classes_in(state: State, head: str) -> int | None:
    """The number of classes of a state: the rows of its last layer's weight; None without such a layer."""
    weight = state.get(f"{head}.weight")
    return None if weight is None or weight.ndim == 0 else weight.shape[0]


def _first(names: tuple[str, ...]) -> str:
    rest = len(names) - _NAMES_SHOWN
    return ", ".join(names[:_NAMES_SHOWN]) + (f" and {rest} more" if rest > 0 else "")


def _shape(tensor: Tensor) -> str:
    return "x".join(str(size) for size in tensor.shape) or "scalar"
