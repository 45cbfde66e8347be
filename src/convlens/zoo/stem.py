"""Stems: first layers for another number of channels than the network's, made to fit where that is exact."""

from pathlib import Path

from torch import Tensor

from convlens.core.errors import DataError
from convlens.core.settings import setting
from convlens.zoo.match import State


def with_stem_for(expected: State, state: State) -> tuple[dict[str, Tensor], str]:
    """The state with its first convolution for as many channels as the network takes, and what was done, in words.

    From one channel to several: the filters are divided evenly among them, so that a gray image, whose channels are
    equal, gives what it gave. From several to one: the filters are added up, which does the same. "" where nothing was
    done: the first convolution fits, or differs in another way.
    """
    name = next((name for name, tensor in expected.items() if tensor.ndim == 4), None)
    if name is None or name not in state:
        return dict(state), ""
    want, have = expected[name].shape, state[name].shape
    alike = len(have) == 4 and (want[0], *want[2:]) == (have[0], *have[2:])
    if not alike or want[1] == have[1] or 1 not in (want[1], have[1]):
        return dict(state), ""
    if have[1] == 1:
        folded = (state[name].double() / want[1]).expand(want).to(state[name].dtype).contiguous()
        words = f"the first layer of the file, {name}, takes one channel and is spread over {want[1]}"
    else:
        folded = state[name].double().sum(1, keepdim=True).to(state[name].dtype)
        words = f"the first layer of the file, {name}, takes {have[1]} channels, which are added up to one"
    return {**state, name: folded}, words


def refuse_folded(words: str, source: str | Path) -> None:
    """Raises DataError where `with_stem_for` had something to do, in those words, and a person wants none of it."""
    if words:
        raise DataError(
            f"{source}: {words}, which {setting('stem', 'refuse')} forbids. Give weights whose first layer fits, or "
            f"set {setting('stem', 'fold')}."
        )
