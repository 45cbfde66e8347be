"""Sentences on differences: what is higher, by how much, and whether that was expected."""

import statistics
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Literal

from convlens.core.study import Finding, Point, Verdict
from convlens.studies.measurements import Measurements
from convlens.training.significance import Difference

_LEVEL = 0.05
Direction = Literal["higher", "lower", "more accurate", "less accurate"]
_MORE: Mapping[Direction, Direction] = MappingProxyType({"lower": "higher", "less accurate": "more accurate"})
_LESS: Mapping[Direction, Direction] = MappingProxyType({more: less for less, more in _MORE.items()})


def compared(
    measured: Measurements,
    value: str,
    one: Mapping[str, str | float],
    other: Mapping[str, str | float],
    sentence: str,
    *,
    expected: Direction,
    unit: Literal["points", "none"] = "points",
) -> Iterator[Finding]:
    """The finding, once two seeds of both cases are measured: `sentence`, in which {} becomes what is true.

    It agrees or disagrees where a paired test over seeds shows a difference at 5%; where not, it is said to be open.
    """
    found = measured.difference(value, one, other)
    if found is None:
        return
    numbers = [measured.values(value, **case) for case in (one, other)]
    common = numbers[0].keys() & numbers[1].keys()
    means = [statistics.fmean(by_seed[seed] for seed in common) for by_seed in numbers]
    pair = " against ".join(f"{mean:.1%}" if unit == "points" else f"{mean:.3g}" for mean in means)
    yield told_difference(found, sentence, expected=expected, unit=unit, pair=f"{pair}, ")


def told_difference(
    found: Difference, sentence: str, *, expected: Direction, unit: Literal["points", "none"] = "points", pair: str = ""
) -> Finding:
    """The finding on a difference; `pair` are the two numbers."""
    direction = _MORE.get(expected, expected) if found.value > 0 else _LESS.get(expected, expected)
    scale, name = (100, " points") if unit == "points" else (1, "")
    low, high = (scale * end for end in found.interval)
    amount = f"{scale * found.value:+.3g}{name} ({low:+.3g} to {high:+.3g})"
    return Finding(
        sentence=f"{sentence.format(direction)}: {pair}{amount}{doubt(found)}.",
        verdict=verdict_on(found, direction == expected),
    )


def verdict_on(found: Difference, as_expected: bool) -> Verdict:
    """What a difference says, where a paired test shows one at 5%."""
    if found.p_value >= _LEVEL:
        return "not shown"
    return "agrees" if as_expected else "disagrees"


def doubt(found: Difference) -> str:
    """What is added to a sentence on a difference that is not shown."""
    return "" if found.p_value < _LEVEL else "; that may be chance"


def in_percent(mean: Point | None) -> str:
    """A mean of proportions with its interval, as far as it lies in 0..1: "94.1% (93.0% to 95.2%)"; "" for none."""
    if mean is None:
        return ""
    interval = "" if mean.low is None or mean.high is None else f" ({max(mean.low, 0):.1%} to {min(mean.high, 1):.1%})"
    return f"{mean.y:.1%}{interval}"
