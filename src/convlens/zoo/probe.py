"""Probe: the answer of a network with published weights to a fixed input when its card was made, and its answer now.

A hash proves the file; the probe proves what becomes of it: a padding, an epsilon or a kernel that is another one, a
state that was changed between file and network.

The input is fixed by whole numbers alone, so that every machine has the same. The answer is two times eight numbers:
what the last layer reads, averaged over places, and the scores, each projected on eight fixed directions that leave
none of their channels out.
"""

import functools
import json
from pathlib import Path

import torch
from torch import Tensor, nn

from convlens.core.errors import IntegrityError
from convlens.zoo.card import NetworkCard

_TABLE = Path(__file__).parent / "probes.tsv"
_SIDE = 64
"""Of the input, where the network takes it so small: a probe is to cost nothing beside loading."""
_DIRECTIONS = 8
_TOLERANCE = 1e-3
"""Of the largest number. Kernels of other processors add up in another order, which makes 1e-6."""

Answer = tuple[float, ...]


def known_answer(network: str, weights: str) -> Answer | None:
    """What the network answered with that set of weights when its card was made; None where that is not on record."""
    return _answers().get((network, weights))


def refuse_another_answer(module: nn.Module, card: NetworkCard, expected: Answer, source: str) -> None:
    """Raises IntegrityError where the network, with weights from `source`, answers otherwise than `expected`."""
    expected_values = torch.tensor(expected, dtype=torch.float64)
    difference = (torch.tensor(answer(module, card), dtype=torch.float64) - expected_values).abs().max().item()
    accepted = _TOLERANCE * expected_values.abs().max().item()
    if not difference <= accepted:  # not a number is refused, too
        raise IntegrityError(
            f"refused {card.name} with the weights of {source}: its output for a fixed input differs from the one "
            f"recorded when its card was made (by {difference:.3g}; up to {accepted:.3g} is accepted). The weights, "
            "torch or convlens have changed. Install convlens and torch as pinned in constraints.txt, and remove the "
            "weights from the cache, so that they are downloaded again."
        )


def answer(module: nn.Module, card: NetworkCard) -> Answer:
    """What the network answers now, in evaluation mode; its modes stay as they are."""
    modes = {part: part.training for part in module.modules()}
    read: list[Tensor] = []
    handle = module.get_submodule(card.head).register_forward_pre_hook(lambda _, inputs: read.append(inputs[0]))
    try:
        with torch.inference_mode():
            scores = module.eval()(probe_input(card))
    finally:
        handle.remove()
        for part, training in modes.items():
            part.training = training
    return (*_projected(_pooled(read[0])), *_projected(_pooled(scores)))


def probe_input(card: NetworkCard) -> Tensor:
    """One input of values in -1..1, of shape (1, channels, ...)."""
    channels, *sides = card.input_shape
    return _scattered(channels, *(min(side, max(_SIDE, card.least_size)) for side in sides))[None].float()


def _scattered(*shape: int) -> Tensor:
    """Numbers in -1..1 by multiplicative hashing (Knuth, The Art of Computer Programming 3, section 6.4)."""
    places = torch.arange(torch.Size(shape).numel(), dtype=torch.int64)
    return ((places * 2654435761 % 2**32).double() / 2**31 - 1).reshape(shape)


def _pooled(values: Tensor) -> Tensor:
    """One number for each channel, of the first example."""
    return values[0].double().flatten(1).mean(1) if values.ndim > 2 else values[0].double()


def _projected(values: Tensor) -> Answer:
    directions = _scattered(_DIRECTIONS, len(values)).to(values)
    return tuple((directions @ values / len(values) ** 0.5).tolist())


def line(network: str, weights: str, found: Answer) -> str:
    """An answer as it stands in the table."""
    return f"{network}\t{weights}\t{json.dumps([float(f'{number:.6g}') for number in found])}"


@functools.cache
def _answers() -> dict[tuple[str, str], Answer]:
    rows = (row.split("\t") for row in _TABLE.read_text(encoding="utf-8").splitlines() if not row.startswith("#"))
    return {(network, weights): tuple(json.loads(numbers)) for network, weights, numbers in rows}
