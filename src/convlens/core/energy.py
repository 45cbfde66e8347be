"""The energy that the processor takes, where the system counts it: Linux on processors of Intel and AMD (RAPL).

Each processor package has a folder in /sys/class/powercap, with a counter in microjoules that starts over at
`max_energy_range_uj`. Since 2020 most systems let only root read it (CVE-2020-8694).
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

POWERCAP = Path("/sys/class/powercap")
_PACKAGE = "package"
"""How the name of a counter for a whole processor begins; others are for parts of one, or for more than processors."""


class _Counter(NamedTuple):
    """The counter of one package."""

    path: Path
    range_uj: int


class EnergyMeter:
    """The energy of all processor packages together, whatever runs on them."""

    def __init__(self, counters: Sequence[_Counter]) -> None:
        self._counters = counters

    def reading(self) -> tuple[int, ...]:
        """Microjoules of each counter at this moment, since a start that is not known."""
        return tuple(_number(counter.path) for counter in self._counters)

    def joules(self, before: Sequence[int], after: Sequence[int]) -> float:
        """What was taken between two readings, in which no counter may have started over more than once."""
        pairs = zip(self._counters, before, after, strict=True)
        return sum(b - a if b >= a else b - a + counter.range_uj for counter, a, b in pairs) / 1e6


def energy_meter(root: Path = POWERCAP) -> EnergyMeter | None:
    """The meter of this machine; None where the system has no counter that this process may read."""
    counters = []
    for folder in sorted(root.glob("intel-rapl:*")):
        try:
            if (folder / "name").read_text().startswith(_PACKAGE):
                counter = _Counter(folder / "energy_uj", _number(folder / "max_energy_range_uj"))
                _number(counter.path)
                counters.append(counter)
        except OSError:
            continue
    return EnergyMeter(counters) if counters else None


def _number(path: Path) -> int:
    return int(path.read_text())
