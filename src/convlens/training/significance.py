"""Whether one recipe does better than another: paired differences with their uncertainty."""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from scipy.special import stdtr, stdtrit
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
    & Miller, Robust inference with multiway clustering, 2011), and never less than either alone. Student's t with
    Satterthwaite's degrees of freedom (1946) makes up for few runs.
    """
    numbers = {name: number for number, name in enumerate(sorted({name for one in base for name in one}))}
    pictures = torch.tensor([numbers[name] for one in base for name in one])
    runs = torch.tensor([run for run, one in enumerate(base) for _ in one])
    gains = torch.tensor(
        [float(ours[name]) - float(theirs[name]) for ours, theirs in zip(hits, base, strict=True) for name in theirs],
        dtype=torch.float64,
    )
    value = gains.mean().item()
    if bool((gains == gains[0]).all()):
        return _of_equal_gains(value, len(numbers))
    rest = (gains - value) / len(gains)
    by_picture, by_run = _clustered(rest, pictures), _clustered(rest, runs)
    variance = max(by_picture, by_run, by_picture + by_run - rest.square().sum().item())
    freedom = (by_picture + by_run) ** 2 / (
        by_picture**2 / max(len(numbers) - 1, 1) + by_run**2 / max(len(base) - 1, 1)
    )
    error = math.sqrt(variance)
    half = float(stdtrit(freedom, 0.5 + _CONFIDENCE / 2)) * error
    return Difference(value, (value - half, value + half), 2 * float(stdtr(freedom, -abs(value) / error)))


def _of_equal_gains(value: float, pictures: int) -> Difference:
    """The difference where every picture gained alike: nothing, or, if all of them flipped one way, by a sign test."""
    if not value:
        return Difference(0.0, (0.0, 0.0), 1.0)
    least = 2 * ((1 - _CONFIDENCE) / 2) ** (1 / pictures) - 1
    return Difference(value, (least, 1.0) if value > 0 else (-1.0, -least), 2 * 0.5**pictures)


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
