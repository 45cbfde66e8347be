"""Sentences on differences: what is higher, by how much, and whether that was expected."""

from collections.abc import Iterator, Mapping
from typing import Literal

from convlens.core.study import Finding, Verdict
from convlens.studies.measurements import Measurements

_LEVEL = 0.05


def compared(
    measured: Measurements,
    value: str,
    one: Mapping[str, str | float],
    other: Mapping[str, str | float],
    sentence: str,
    *,
    expected: Literal["higher", "lower"],
    unit: Literal["points", "none"] = "points",
) -> Iterator[Finding]:
    """The finding, once two seeds of both cases are measured: `sentence`, in which {} becomes higher or lower.

    It agrees or disagrees where a paired test over seeds shows a difference at 5%; where not, it is said to be open.
    """
    found = measured.difference(value, one, other)
    if found is None:
        return
    shown = found.p_value < _LEVEL
    direction: Literal["higher", "lower"] = "higher" if found.value > 0 else "lower"
    verdict: Verdict = "not shown" if not shown else "agrees" if direction == expected else "disagrees"
    scale, name = (100, " points") if unit == "points" else (1, "")
    low, high = found.interval
    amount = f"{scale * found.value:+.3g}{name} ({scale * low:+.3g} to {scale * high:+.3g})"
    means = [sum(values.values()) / len(values) for case in (one, other) if (values := measured.values(value, **case))]
    pair = " and ".join(f"{mean:.1%}" if unit == "points" else f"{mean:.3g}" for mean in means)
    words = sentence.format(direction)
    doubt = "" if shown else "; so many seeds do not show that it is not chance"
    yield Finding(sentence=f"{words}: {pair}, {amount}{doubt}.", verdict=verdict)
