"""Whether one recipe does better than another: paired differences with their uncertainty."""

import math
from collections.abc import Mapping, Sequence
from statistics import NormalDist
from typing import NamedTuple

import torch
from torch import Tensor

_CONFIDENCE = 0.95


class Difference(NamedTuple):
    """Of two accuracies."""

    value: float
    interval: tuple[float, float]
    """95 %."""
    p_value: float
    """Two-sided, for no difference."""


def paired_difference(hits: Sequence[Mapping[str, bool]], base: Sequence[Mapping[str, bool]]) -> Difference:
    """The difference of mean accuracies; `hits[r][picture]` says whether run r classified the picture rightly.

    Both were judged on the same pictures in every run. A picture may be judged in several runs, and all pictures of a
    run share its weights: the variance is clustered both ways, by pictures plus by runs less by both (Cameron, Gelbach
    & Miller, Robust inference with multiway clustering, 2011), and never less than either alone.
    """
    numbers = {name: number for number, name in enumerate(sorted({name for one in base for name in one}))}
    pictures = torch.tensor([numbers[name] for one in base for name in one])
    runs = torch.tensor([run for run, one in enumerate(base) for _ in one])
    gains = torch.tensor(
        [float(ours[name]) - float(theirs[name]) for ours, theirs in zip(hits, base, strict=True) for name in theirs],
        dtype=torch.float64,
    )
    value = gains.mean().item()
    rest = (gains - value) / len(gains)
    by_picture, by_run = _clustered(rest, pictures), _clustered(rest, runs)
    variance = max(by_picture, by_run, by_picture + by_run - rest.square().sum().item())
    error = math.sqrt(variance)
    half = NormalDist().inv_cdf(0.5 + _CONFIDENCE / 2) * error
    p_value = 2 * NormalDist().cdf(-abs(value) / error) if error else float(value == 0)
    return Difference(value, (value - half, value + half), p_value)


def _clustered(rest: Tensor, cluster: Tensor) -> float:
    """Sum over clusters of the squared sum within, with the correction for few clusters; 0 for a single one."""
    count = int(cluster.max()) + 1
    if count < 2:
        return 0.0
    sums = torch.zeros(count, dtype=torch.float64).index_add_(0, cluster, rest)
    return count / (count - 1) * sums.square().sum().item()


def holm(p_values: Sequence[float]) -> list[float]:
    """The p-values corrected for their number (Holm, A simple sequentially rejective multiple test procedure, 1979)."""
    order = sorted(range(len(p_values)), key=p_values.__getitem__)
    corrected = [0.0] * len(p_values)
    highest = 0.0
    for rank, place in enumerate(order):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[place]))
        corrected[place] = highest
    return corrected
