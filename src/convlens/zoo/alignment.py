"""Alignment: a state's names made those of a network, whatever training programs have put before, into and beside them.

Nothing is renamed by guess: a prefix is what remains of the file's names before the network's own.
"""

from collections import Counter
from collections.abc import Collection, Iterator
from typing import NamedTuple

from torch import Tensor

from convlens.zoo.match import COUNTER, State

_WRAPPERS = frozenset({"_orig_mod", "_fsdp_wrapped_module", "_fpw_module", "_checkpoint_wrapped_module"})
"""Parts of names that torch.compile, sharded training and activation checkpointing put in; no network has them."""
_ALL_WRAPPERS = _WRAPPERS | {"module"}
"""With what DataParallel puts in, and what some networks have of their own."""
_COUNTERS = (COUNTER, "total_ops", "total_params")
"""Buffers that count batches, and that profilers leave in every module: they compute nothing."""
_LEAST = 1 / 3
"""Where a file has a smaller part of a network's names, it is another network's, and its names stay as they are."""
_AVERAGED = ("teacher", "encoder_q", "online")
"""Parts of the prefix to take where several networks of one form are in a file."""


class Alignment(NamedTuple):
    """A state under a network's names, and what was found on the way."""

    state: dict[str, Tensor]
    prefix: str
    """What stood before the names, without the last dot; "" for nothing."""
    rivals: tuple[str, ...]
    """Other prefixes under which the file has as much of the network."""
    left_out: tuple[str, ...]
    """The file's names of tensors that belong to no part of the network: other networks, other heads, metrics."""


def aligned(state: State, expected: Collection[str]) -> Alignment:
    """The tensors of `state` that stand for a network whose names are `expected`, under these names.

    Where another part of the network's own modules has names that the network does not, these stay, for the caller to
    refuse: the file is of another network.
    """
    own_names = frozenset(expected)
    plain, hits = max(
        (_hits({name: _unwrapped(name, parts) for name in state}, own_names) for parts in (_WRAPPERS, _ALL_WRAPPERS)),
        key=lambda found: max(found[1].values(), default=0),
    )
    most = max(hits.values(), default=0)
    if most < _LEAST * len(own_names):
        return Alignment(dict(state), "", (), ())
    best = sorted((prefix for prefix, number in hits.items() if number == most), key=_rank)
    prefix = best[0]
    tops = {name.partition(".")[0] for name in own_names}
    found: dict[str, Tensor] = {}
    left_out = []
    for name, tensor in state.items():
        own = _below(plain[name], prefix)
        if own is None or (own not in own_names and own.partition(".")[0] not in tops):
            left_out.append(name)
        elif own in own_names or not own.endswith(_COUNTERS):
            found[own] = tensor
    return Alignment(found, prefix, tuple(best[1:]), tuple(left_out))


def _unwrapped(name: str, wrappers: Collection[str]) -> str:
    return ".".join(part for part in name.split(".") if part not in wrappers)


def _hits(plain: dict[str, str], expected: Collection[str]) -> tuple[dict[str, str], Counter[str]]:
    """The names, and for each prefix how many of them it makes of the expected ones."""
    return plain, Counter(prefix for name in plain.values() for prefix in _prefixes(name, expected))


def _prefixes(name: str, expected: Collection[str]) -> Iterator[str]:
    """What may stand before one of the expected names in this one."""
    parts = name.split(".")
    for number in range(len(parts)):
        if ".".join(parts[number:]) in expected:
            yield ".".join(parts[:number])


def _rank(prefix: str) -> tuple[bool, bool]:
    """Lowest for the prefix to take of several that lead to as much."""
    return bool(prefix), not any(part in _AVERAGED for part in prefix.split("."))


def _below(name: str, prefix: str) -> str | None:
    """The name without that prefix; None where it has another one."""
    if not prefix:
        return name
    return name.removeprefix(f"{prefix}.") if name.startswith(f"{prefix}.") else None
