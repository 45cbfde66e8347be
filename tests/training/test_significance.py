"""The paired difference: its value, its coverage by simulation, and Holm's correction by hand."""

import dataclasses
import math

import numpy as np
import pytest
from numpy.typing import NDArray

from convlens.core.many_tests import holm
from convlens.training.significance import Difference, paired_difference

Hits = list[dict[str, bool]]


def test_the_difference_of_equals_is_zero_and_its_interval_is_not() -> None:
    hits = [{"a": True, "b": False}, {"a": False, "b": True}]
    found = paired_difference(hits, hits)
    assert (found.value, found.p_value) == (0.0, 1.0)
    assert found.interval[0] == pytest.approx(-found.interval[1])
    assert found.interval[1] > 0.2  # two images are no proof of equality


def test_gains_that_cancel_within_every_image_and_every_run() -> None:
    base = [{"a": True, "b": False, "c": True}, {"a": False, "b": True, "c": True}]
    ours = [{"a": False, "b": True, "c": True}, {"a": True, "b": False, "c": True}]
    found = paired_difference(ours, base)
    assert (found.value, found.p_value) == (0.0, 1.0)
    assert found.interval[0] < -0.2 < 0.2 < found.interval[1]


def test_one_run_is_the_adjusted_paired_interval_of_bonett_and_price() -> None:
    base = {str(n): n % 2 == 0 for n in range(100)}
    ours = {name: hit or int(name) < 20 for name, hit in base.items()}
    found = paired_difference([ours], [base])
    gained, lost = 11 / 102, 1 / 102  # of 100 images 10 gained; one more of each kind is added
    error = math.sqrt((gained + lost - (gained - lost) ** 2) / 101)
    quantile = 1.98373  # of Student's t with 101 degrees of freedom
    assert found.value == pytest.approx(0.1)
    assert found.interval == pytest.approx(
        (gained - lost - quantile * error, gained - lost + quantile * error), abs=1e-6
    )


def test_images_that_are_evaluated_in_every_run_do_not_count_as_more() -> None:
    base = {str(n): n % 2 == 0 for n in range(100)}
    ours = {name: hit or int(name) < 20 for name, hit in base.items()}
    once, often = paired_difference([ours], [base]), paired_difference([ours] * 5, [base] * 5)
    assert often.value == pytest.approx(once.value)
    assert _width(often) > 0.9 * _width(once)


def test_two_runs_that_contradict_each_other_prove_nothing() -> None:
    """What 400 images say is clear in each run, and opposite: two numbers, 0.1 and -0.1, leave everything open."""
    base = {str(n): n % 2 == 0 for n in range(400)}
    better = {name: hit or int(name) < 80 for name, hit in base.items()}
    worse = {name: hit and int(name) >= 80 for name, hit in base.items()}
    found = paired_difference([better, worse], [base, base])
    assert found.interval == (-1.0, 1.0)


@pytest.mark.parametrize("images", [2, 5, 6, 10])
def test_a_few_images_that_all_flipped_prove_little(images: int) -> None:
    base = [{str(n): False for n in range(images)}] * 3
    ours = [{str(n): True for n in range(images)}] * 3
    better, worse = paired_difference(ours, base), paired_difference(base, ours)
    assert (better.value, better.p_value) == (1.0, pytest.approx(2 * 0.5**images))
    assert worse.value == -1.0
    assert worse.interval == pytest.approx((-better.interval[1], -better.interval[0]))
    assert (better.interval[0] > 0) == (images > 5)  # 2 * 0.5^5 > 0.05 > 2 * 0.5^6


@dataclasses.dataclass(frozen=True, kw_only=True)
class World:
    """Where hits come from: log-odds with effects of the image, of the run, and of both; all of them normal."""

    images: int
    runs: int
    split_again: bool
    """Whether each run evaluates another fifth of the images."""
    accuracy: float
    shift: float
    """Of the log-odds, by the better recipe."""
    of_image: float
    of_image_and_recipe: float
    of_run: float
    of_both: float

    @classmethod
    def drawn(cls, draw: np.random.Generator) -> "World":
        runs = int(draw.choice([1, 2, 3, 5, 10]))
        images = int(draw.choice([5, 20, 100, 500]))
        return cls(
            images=images,
            runs=runs,
            split_again=images >= 20 and bool(draw.integers(2)),
            accuracy=float(draw.choice([0.5, 0.8, 0.95, 0.99])),
            shift=float(draw.choice([0.0, 0.0, 0.5, 1.0])),
            of_image=float(draw.choice([0.5, 1.5, 3.0])),
            of_image_and_recipe=float(draw.choice([0.0, 0.5, 1.5])),
            of_run=float(draw.choice([0.0, 0.1, 0.3])) if runs > 1 else 0.0,
            of_both=float(draw.choice([0.0, 0.5])),
        )

    @property
    def truth(self) -> float:
        middle = math.log(self.accuracy / (1 - self.accuracy))
        return self._mean(middle + self.shift / 2) - self._mean(middle - self.shift / 2)

    def hits(self, draw: np.random.Generator) -> tuple[Hits, Hits]:
        """Of both recipes."""
        easy = draw.normal(0, self.of_image, self.images)
        likes = draw.normal(0, self.of_image_and_recipe / 2, self.images)
        middle = math.log(self.accuracy / (1 - self.accuracy))
        evaluated = [
            draw.permutation(self.images)[: self.images // 5] if self.split_again else np.arange(self.images)
            for _ in range(self.runs)
        ]
        ours, base = (
            [self._run(draw, middle + sign * self.shift / 2 + easy + sign * likes, images) for images in evaluated]
            for sign in (1, -1)
        )
        return ours, base

    def _run(self, draw: np.random.Generator, odds: NDArray[np.float64], images: NDArray[np.intp]) -> dict[str, bool]:
        noise = draw.normal(0, self.of_run) + draw.normal(0, self.of_both, len(images))
        hit = draw.random(len(images)) < _logistic(odds[images] + noise)
        return {str(image): bool(value) for image, value in zip(images, hit, strict=True)}

    def _mean(self, odds: float) -> float:
        """The expectation over all effects, by Gauss-Hermite quadrature."""
        spread = math.sqrt(self.of_image**2 + (self.of_image_and_recipe / 2) ** 2 + self.of_run**2 + self.of_both**2)
        places, weights = np.polynomial.hermite_e.hermegauss(80)
        return float(weights @ _logistic(odds + spread * places) / weights.sum())


@pytest.mark.parametrize(
    ("worlds", "trials"), [(50, 20), pytest.param(1000, 40, marks=[pytest.mark.slow, pytest.mark.timeout(1800)])]
)
def test_intervals_hold_the_truth_as_often_as_they_say(worlds: int, trials: int) -> None:
    """95 of 100 or more, and 93 for each number of runs and of images; nothing is found where nothing is."""
    draw = np.random.default_rng(0)
    held: dict[tuple[str, int], list[bool]] = {}
    found_where_nothing_is = []
    for world in (World.drawn(draw) for _ in range(worlds)):
        truth = world.truth
        for _ in range(trials):
            difference = paired_difference(*world.hits(draw))
            low, high = difference.interval
            assert -1 <= low < high <= 1
            assert low <= difference.value <= high
            assert (difference.p_value < 0.05) == (low > 0 or high < 0)
            for group in (("all", 0), ("runs", world.runs), ("images", world.images)):
                held.setdefault(group, []).append(low <= truth <= high)
            if not world.shift:
                found_where_nothing_is.append(difference.p_value < 0.05)
    coverage = {group: np.mean(values) for group, values in held.items()}
    assert coverage.pop(("all", 0)) >= 0.95
    assert min(coverage.values()) >= 0.93, coverage
    assert np.mean(found_where_nothing_is) <= 0.05


def test_what_is_there_is_found() -> None:
    """Intervals that are wide enough would be easy: with five runs a gain of 7 points on 300 images is seen."""
    world = World(
        images=300, runs=5, split_again=False, accuracy=0.8, shift=0.5,
        of_image=1.5, of_image_and_recipe=0.5, of_run=0.1, of_both=0.3,
    )  # fmt: skip
    assert 0.06 < world.truth < 0.08
    draw = np.random.default_rng(0)
    found = [paired_difference(*world.hits(draw)).p_value < 0.05 for _ in range(60)]
    assert np.mean(found) >= 0.8


def test_holm_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.6, 0.7]) == [1.0, 1.0]
    assert holm([]) == []


def _width(difference: Difference) -> float:
    return difference.interval[1] - difference.interval[0]


def _logistic(odds: NDArray[np.float64]) -> NDArray[np.float64]:
    return 1 / (1 + np.exp(-odds))
