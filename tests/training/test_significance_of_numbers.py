"""Paired differences and intervals of real numbers: against scipy's tests, and their coverage by simulation."""

import dataclasses
import math

import numpy as np
import pytest
from scipy import stats

from convlens.training.significance import mean_interval, paired_difference

Scores = list[dict[str, float]]


def run_of(values: np.ndarray) -> dict[str, float]:
    return {str(image): float(value) for image, value in enumerate(values)}


def test_one_run_is_students_paired_test() -> None:
    draw = np.random.default_rng(0)
    base, ours = draw.exponential(1.0, 40), draw.exponential(0.6, 40)
    found = paired_difference([run_of(ours)], [run_of(base)], proportions=False)
    expected = stats.ttest_rel(ours, base)
    low, high = expected.confidence_interval()
    assert found.value == pytest.approx(np.mean(ours - base))
    assert found.interval == pytest.approx((low, high))
    assert found.p_value == pytest.approx(expected.pvalue)


def test_the_interval_of_one_run_is_students() -> None:
    values = np.random.default_rng(1).exponential(1.0, 30)
    low, high = stats.ttest_1samp(values, 0).confidence_interval()
    assert mean_interval([run_of(values)]) == pytest.approx((low, high))


def test_the_scale_changes_nothing() -> None:
    """Proportions end at 1 and -1 and get two images of that size; numbers of any unit do not."""
    draw = np.random.default_rng(2)
    base, ours = ([run_of(draw.exponential(1.0, 12)) for _ in range(3)] for _ in range(2))
    small = paired_difference(ours, base, proportions=False)
    large = paired_difference(*(_times(1000, scores) for scores in (ours, base)), proportions=False)
    assert large.value == pytest.approx(1000 * small.value)
    assert large.interval == pytest.approx([1000 * end for end in small.interval])
    assert large.p_value == pytest.approx(small.p_value)


def test_equals_have_no_difference_and_rounding_makes_none() -> None:
    draw = np.random.default_rng(3)
    base = [run_of(draw.exponential(1.0, 50)) for _ in range(2)]
    rounded = [{name: value - 1e-6 for name, value in run.items()} for run in base]
    for same in (base, rounded):
        assert paired_difference(same, base, proportions=False) == (0.0, (0.0, 0.0), 1.0)
    lower = [{name: value - 1e-2 for name, value in run.items()} for run in base]
    assert paired_difference(lower, base, proportions=False).p_value < 0.001


def test_a_single_image_says_nothing() -> None:
    found = paired_difference([{"a": 1.0}, {"a": 2.0}], [{"a": 5.0}, {"a": 6.0}], proportions=False)
    assert (found.value, found.interval, found.p_value) == (-4.0, (-math.inf, math.inf), 1.0)
    assert mean_interval([{"a": 1.0}]) == (-math.inf, math.inf)


@pytest.mark.parametrize("images", [4, 5, 6, 10])
def test_a_few_images_prove_little_however_alike_their_gains(images: int) -> None:
    base = [run_of(np.full(images, 2.0) + np.arange(images))] * 3
    ours = [run_of(np.full(images, 1.0) + np.arange(images))] * 3
    found = paired_difference(ours, base, proportions=False)
    assert (found.value, found.p_value) == (-1.0, pytest.approx(2 * 0.5**images))
    assert (found.interval[1] < 0) == (images > 5)


@dataclasses.dataclass(frozen=True, kw_only=True)
class World:
    """Where squared errors come from: normal errors with effects of the image, of the run and of both."""

    images: int
    runs: int
    of_image: float
    of_run: float
    of_both: float
    shrinkage: float
    """What the better recipe makes of the base's error."""

    @classmethod
    def drawn(cls, draw: np.random.Generator) -> "World":
        runs = int(draw.choice([1, 2, 3, 5]))
        return cls(
            images=int(draw.choice([20, 100, 500])),
            runs=runs,
            of_image=float(draw.choice([0.5, 1.0])),
            of_run=float(draw.choice([0.0, 0.2])) if runs > 1 else 0.0,
            of_both=float(draw.choice([0.1, 0.5])),
            shrinkage=float(draw.choice([1.0, 0.9])),
        )

    @property
    def base_mean(self) -> float:
        return self.of_image**2 + self.of_run**2 + self.of_both**2

    @property
    def truth(self) -> float:
        return (self.shrinkage**2 - 1) * self.base_mean

    def scores(self, draw: np.random.Generator) -> tuple[Scores, Scores]:
        """Of both recipes, which see the same images."""
        of_image = draw.normal(0, self.of_image, self.images)
        ours, base = (
            [factor**2 * (of_image + self._luck(draw)) ** 2 for _ in range(self.runs)]
            for factor in (self.shrinkage, 1.0)
        )
        return [run_of(run) for run in ours], [run_of(run) for run in base]

    def _luck(self, draw: np.random.Generator) -> np.ndarray:
        return draw.normal(0, self.of_run) + draw.normal(0, self.of_both, self.images)


@pytest.mark.parametrize(
    ("worlds", "trials"), [(50, 20), pytest.param(1000, 40, marks=[pytest.mark.slow, pytest.mark.timeout(1800)])]
)
def test_intervals_of_squared_errors_hold_the_truth(worlds: int, trials: int) -> None:
    """Squares are skewed: a mean of few of them is held a little less often than 95 of 100 times, a difference not."""
    draw = np.random.default_rng(0)
    of_means, of_differences, found_where_nothing_is = [], [], []
    for world in (World.drawn(draw) for _ in range(worlds)):
        for _ in range(trials):
            ours, base = world.scores(draw)
            low, high = mean_interval(base)
            of_means.append(low <= world.base_mean <= high)
            difference = paired_difference(ours, base, proportions=False)
            low, high = difference.interval
            of_differences.append(low <= world.truth <= high)
            assert (difference.p_value < 0.05) == (low > 0 or high < 0)
            if world.shrinkage == 1:
                found_where_nothing_is.append(difference.p_value < 0.05)
    assert np.mean(of_means) >= 0.93
    assert np.mean(of_differences) >= 0.95
    assert np.mean(found_where_nothing_is) <= 0.05


def _times(factor: float, scores: Scores) -> Scores:
    return [{name: factor * value for name, value in run.items()} for run in scores]
