"""How the elements of a tensor are spread, and small tensors as numbers."""

import math

import torch
from torch import Tensor

from convlens.core.explanation import Numbers, Statistics

_INTERVALS = 24
_DIGITS = 5


def statistics(values: Tensor) -> Statistics | None:
    """The statistics of a tensor of numbers; None for an empty one."""
    values = values.detach().float().flatten()
    if not len(values):
        return None
    finite = values[values.isfinite()]
    if not len(finite):
        return None
    low, high = finite.min().item(), finite.max().item()
    counts = torch.histc(finite, _INTERVALS, low, high) if high > low else torch.tensor([float(len(finite))])
    return Statistics(
        mean=rounded(finite.mean().item()),
        std=rounded(finite.std(correction=0).item()),
        smallest=rounded(low),
        largest=rounded(high),
        zeros=rounded((values == 0).float().mean().item()),
        norm=rounded(finite.norm().item()),
        counts=[int(count) for count in counts.tolist()],
    )


def numbers(values: Tensor, most: int) -> Numbers | None:
    """A tensor of at most `most` elements as nested lists, rounded; None for larger ones."""
    if values.numel() > most:
        return None
    return _rounded_all(values.detach().double().tolist())


def rounded(value: float) -> float:
    """Five significant digits: more are not read, and take room in the page."""
    if value == 0 or not math.isfinite(value):
        return value
    return round(value, _DIGITS - 1 - math.floor(math.log10(abs(value))))


def _rounded_all(value: Numbers) -> Numbers:
    return [_rounded_all(item) for item in value] if isinstance(value, list) else rounded(value)
