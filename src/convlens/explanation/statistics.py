"""How the elements of a tensor are spread, and small tensors as numbers."""

import math

import torch
from torch import Tensor

from convlens.core.explanation import Numbers, Statistics

_INTERVALS = 24
_SAMPLE = 32768
_DIGITS = 5


def statistics(values: Tensor) -> Statistics | None:
    """The statistics of a tensor of numbers; None for an empty one, or one with elements that are not finite.

    The histogram is of at most 32,768 elements, evenly apart; all else is of all elements.
    """
    values = values.detach().float().flatten()
    if not len(values) or not values.sum().isfinite():
        return None
    low, high = (bound.item() for bound in values.aminmax())
    mean, norm = values.mean().item(), values.norm().item()
    sample = values[:: -(-len(values) // _SAMPLE)]
    counts = torch.histc(sample, _INTERVALS, low, high) if high > low else torch.tensor([float(len(sample))])
    return Statistics(
        mean=rounded(mean),
        std=rounded(math.sqrt(max(0.0, norm * norm / len(values) - mean * mean))),
        smallest=rounded(low),
        largest=rounded(high),
        zeros=rounded(1 - int(values.count_nonzero()) / len(values)),
        norm=rounded(norm),
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
