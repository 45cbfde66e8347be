"""What was measured, by case: means with their intervals, and differences by a paired test over seeds."""

import math
import statistics
from collections.abc import Mapping, Sequence

from scipy.special import stdtr, stdtrit

from convlens.core.study import Measured, Point
from convlens.training.significance import CONFIDENCE, Difference

SEED = "seed"


class Measurements:
    """The measurements of a study so far."""

    def __init__(self, measured: Sequence[Measured]) -> None:
        self._measured = measured

    def each(self, **case: str | float) -> list[Measured]:
        """Those whose cases have these values, in the order in which they were measured."""
        return [one for one in self._measured if all(one.case.get(name) == value for name, value in case.items())]

    def values(self, value: str, **case: str | float) -> dict[int, float]:
        """One number of those cases, by seed; the mean where a seed has several of them."""
        found: dict[int, list[float]] = {}
        for one in self.each(**case):
            number = one.values[value]
            assert isinstance(number, int | float), f"{value} is a list"
            found.setdefault(int(one.case[SEED]), []).append(float(number))
        return {seed: sum(numbers) / len(numbers) for seed, numbers in found.items()}

    def lists(self, value: str, **case: str | float) -> list[list[float]]:
        """One list of each of those cases."""
        lists = []
        for one in self.each(**case):
            numbers = one.values[value]
            assert isinstance(numbers, list), f"{value} is one number"
            lists.append(numbers)
        return lists

    def mean(self, value: str, **case: str | float) -> Point | None:
        """The mean over seeds as a point at 0, with its 95% interval from two seeds on; None without any."""
        return point(0, self.values(value, **case))

    def points(self, value: str, over: str, **case: str | float) -> list[Point]:
        """The means by the value of `over`, which lies on the horizontal axis."""
        places = sorted({float(one.case[over]) for one in self.each(**case)})
        return [found for x in places if (found := point(x, self.values(value, **{**case, over: x})))]

    def by(self, value: str, key: str, **case: str | float) -> dict[int, float]:
        """The means over seeds, by another number that cases have, such as that of a set."""
        keys = sorted({int(one.case[key]) for one in self.each(**case)})
        return {at: statistics.fmean(self.values(value, **{**case, key: at}).values()) for at in keys}

    def mean_list(self, value: str, **case: str | float) -> list[float]:
        """The mean over cases of lists of equal length, place by place; empty where nothing was measured."""
        return [statistics.fmean(numbers) for numbers in zip(*self.lists(value, **case), strict=True)]

    def mean_lists(self, value: str, key: str, **case: str | float) -> dict[int, list[float]]:
        """Those by a number that cases have."""
        keys = sorted({int(one.case[key]) for one in self.each(**case)})
        return {at: self.mean_list(value, **{**case, key: at}) for at in keys}

    def difference(
        self, value: str, one: Mapping[str, str | float], other: Mapping[str, str | float]
    ) -> Difference | None:
        """How much more the first has than the other, seed by seed; None with fewer than two seeds in common."""
        return difference(self.values(value, **one), self.values(value, **other))


def point(x: float, by_seed: Mapping[int, float]) -> Point | None:
    """The mean over seeds at x, with its 95% interval (Student's t) from two seeds on."""
    if not by_seed:
        return None
    mean = sum(by_seed.values()) / len(by_seed)
    if len(by_seed) < 2:
        return Point(x=x, y=mean)
    low, high = interval(list(by_seed.values()))
    return Point(x=x, y=mean, low=low, high=high)


def curve(numbers: Sequence[float], first: int = 1) -> list[Point]:
    """Numbers as points at `first` and the places after it."""
    return [Point(x=place, y=float(number)) for place, number in enumerate(numbers, start=first)]


def interval(numbers: Sequence[float]) -> tuple[float, float]:
    """The 95% interval of the mean of at least two numbers, by Student's t."""
    mean = statistics.fmean(numbers)
    half = float(stdtrit(len(numbers) - 1, 0.5 + CONFIDENCE / 2)) * _error(numbers)
    return mean - half, mean + half


def difference(one: Mapping[int, float], other: Mapping[int, float]) -> Difference | None:
    """The mean difference over the seeds that both have, with its 95% interval and p-value.

    By Student's paired test (The probable error of a mean, 1908): a seed is one draw of weights and images.
    """
    seeds = sorted(one.keys() & other.keys())
    if len(seeds) < 2:
        return None
    gains = [one[seed] - other[seed] for seed in seeds]
    mean, error = statistics.fmean(gains), _error(gains)
    if error == 0:
        return Difference(mean, (mean, mean), 0.0 if mean else 1.0)
    return Difference(mean, interval(gains), 2 * float(stdtr(len(gains) - 1, -abs(mean) / error)))


def _error(numbers: Sequence[float]) -> float:
    """The standard error of the mean."""
    return statistics.stdev(numbers) / math.sqrt(len(numbers))
