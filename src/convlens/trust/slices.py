"""Slices: parts of the evaluated images, and whether a network does worse on one than on the rest."""

import itertools
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import fisher_exact

from convlens.core.evaluation import Slice, Slices
from convlens.core.intervals import wilson_interval
from convlens.core.many_tests import holm

_LEAST_IMAGES = 10
_PARTS = 4
_MOST_NAMES = 50
"""Values of a fact in words; what has more tells single images."""


class _Part(NamedTuple):
    """Images of a slice."""

    fact: str
    value: str
    within: NDArray[np.bool_]


def slices(right: Sequence[bool], facts: Mapping[str, Sequence[float | str | None]]) -> Slices:
    """How many images are right in each slice, beside all others.

    A fact in numbers has its quarters for slices, one in words its values, of at least 10 images each; None is of no
    slice. p-values are those of Fisher's exact test, corrected for all looks by Holm's method, and intervals are
    Wilson's at 1 - 0.05 / looks (Bonferroni).
    """
    correct = np.array(right, dtype=bool)
    parts = [part for name, values in facts.items() for part in _parts(name, values)]
    found = []
    for part in parts:
        inside, outside = correct[part.within], correct[~part.within]
        table = [[int(one.sum()), int((~one).sum())] for one in (inside, outside)]
        found.append((part, inside, outside, float(fisher_exact(table).pvalue)))
    corrected = holm([p_value for *_, p_value in found])
    return Slices(
        looks=len(parts),
        slices=sorted(
            (
                Slice(
                    fact=part.fact,
                    value=part.value,
                    images=len(inside),
                    accuracy=float(inside.mean()),
                    interval=wilson_interval(int(inside.sum()), len(inside), 1 - 0.05 / len(parts)),
                    others=float(outside.mean()),
                    p_value=p_value,
                )
                for (part, inside, outside, _), p_value in zip(found, corrected, strict=True)
            ),
            key=lambda one: one.accuracy,
        ),
    )


def _parts(name: str, values: Sequence[float | str | None]) -> list[_Part]:
    """Those with enough images, inside and outside."""
    if any(isinstance(value, str) for value in values):
        counts = Counter(value for value in values if value)
        chosen = [str(value) for value in counts] if len(counts) <= _MOST_NAMES else []
        parts = [_Part(name, value, np.array([one == value for one in values])) for value in chosen]
    else:
        parts = _quarters(name, np.array([np.nan if one is None else one for one in values], dtype=np.float64))
    return [one for one in parts if _LEAST_IMAGES <= one.within.sum() <= len(values) - _LEAST_IMAGES]


def _quarters(name: str, values: NDArray[np.float64]) -> list[_Part]:
    there = values[~np.isnan(values)]
    if not len(there):
        return []
    edges = np.unique(np.quantile(there, np.arange(_PARTS + 1) / _PARTS))
    parts = []
    for low, high in itertools.pairwise(edges.tolist()):
        last = high == edges[-1]
        within = (values >= low) & ((values <= high) if last else (values < high))
        parts.append(_Part(name, f"{_told(low)} to {_told(high)}", within))
    return parts


def _told(number: float) -> str:
    return f"{number:.0f}" if abs(number) >= 1000 else f"{number:.3g}"
