"""Parameters, multiply-adds and receptive field of every network, counted once: capturing them all takes minutes.

`make counts` rewrites counts.tsv from the graphs, and a contract test holds every line of it to them.
"""

import functools
import json
from pathlib import Path
from typing import NamedTuple

from convlens.core.inspection import SeenPixels

_TABLE = Path(__file__).parent / "counts.tsv"


class Counts(NamedTuple):
    """For one example of the shape that the card states."""

    parameters: int
    multiply_adds: int
    receptive_field: SeenPixels
    """Of the last feature map; None for a network without any."""

    def line(self, name: str) -> str:
        """As it stands in the table."""
        return "\t".join((name, *(json.dumps(value) for value in self)))


def counts(name: str) -> Counts:
    """The counts of the network `name`."""
    return _all()[name]


@functools.cache
def _all() -> dict[str, Counts]:
    rows = [line.split("\t") for line in _TABLE.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
    return {name: Counts(*map(json.loads, values)) for name, *values in rows}
