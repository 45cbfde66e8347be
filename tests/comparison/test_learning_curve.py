"""Learning curves: known ones are found, intervals hold what comes, and nothing is told from too little."""

from collections.abc import Sequence

import numpy as np
import pytest

from convlens.comparison.learning_curve import Measured, forecast
from convlens.core.comparison import Forecast
from convlens.core.kinds.registry import KINDS

COUNTS = (50, 100, 200, 400)


def error(count: float) -> float:
    return 0.1 + 2 * count**-0.5


def measured(draw: np.random.Generator, count: int, images: int, runs: int = 3, luck: float = 0.0) -> Measured:
    """Each image is hard to a degree of its own: it is wrong in all runs on few training images, right on many."""
    hardness = np.random.default_rng(int(draw.integers(2**31))) if luck else np.random.default_rng(0)
    hard = hardness.random(images)
    scores = []
    for _ in range(runs):
        wrong = hard < error(count) + luck * draw.normal()
        scores.append({f"{place}": float(not one) for place, one in enumerate(wrong)})
    return Measured(classes={"": count, "even": count // 2, "odd": count // 2}, scores=scores)


def told(parts: Sequence[Measured], labels: dict[str, str] | None = None, proportion: bool = True) -> Forecast:
    found = forecast(parts, parts[-1].classes, labels or {}, proportion=proportion)
    assert found is not None
    return found


def test_a_known_curve_is_found_and_continued() -> None:
    draw = np.random.default_rng(1)
    found = told([measured(draw, count, 10_000) for count in COUNTS])
    assert found.error(800) == pytest.approx(error(800), abs=0.012)
    assert found.exponent == pytest.approx(0.5, abs=0.1)
    assert [(one.images, one.more) for one in found.all] == [(400, 100), (400, 200), (400, 400)]
    for one in found.all:
        assert one.gain == pytest.approx(error(400) - error(400 + one.more), abs=0.006)
        assert one.interval[0] <= one.gain <= one.interval[1]


def test_errors_of_numbers_are_continued_as_they_are() -> None:
    parts = [Measured(classes={"": count}, scores=[{"a": error(count), "b": error(count)}]) for count in COUNTS]
    [*_, last] = told(parts, proportion=False).all
    assert last.gain == pytest.approx(error(400) - error(800), abs=1e-3)
    assert last.statement(KINDS["regression"].measure).startswith("400 more images: squared error -0.0")


def test_intervals_hold_what_comes() -> None:
    """On 200 validation images, about as often as they say."""
    held = 0
    for seed in range(40):
        parts = [measured(np.random.default_rng(seed), count, 200, luck=0.01) for count in COUNTS]
        [*_, last] = told(parts).all
        held += last.interval[0] <= error(400) - error(800) <= last.interval[1]
    assert held >= 34


def test_classes_are_told_apart() -> None:
    """Odd images are always right: more images help only the even ones."""
    draw = np.random.default_rng(0)
    parts = []
    for count in COUNTS:
        one = measured(draw, count, 400)
        scores = [{name: 1.0 if int(name) % 2 else score for name, score in run.items()} for run in one.scores]
        parts.append(Measured(classes=one.classes, scores=scores))
    labels = {f"{place}": ("even", "odd")[place % 2] for place in range(400)}
    found = told(parts, labels)
    assert [one.name for one in found.classes] == ["even", "odd"]
    assert found.classes[0].gain > 0.005
    assert found.classes[0].interval[0] <= error(400) - error(600) <= found.classes[0].interval[1]
    assert found.classes[1].gain == 0
    assert (found.classes[0].images, found.classes[0].more) == (200, 100)
    assert found.classes[0].statement(KINDS["classification"].measure).startswith("100 more images of even: +")


def test_what_does_not_fall_gains_nothing() -> None:
    parts = [
        Measured(classes={"": count}, scores=[{f"{place}": float(place % 2) for place in range(100)}])
        for count in COUNTS
    ]
    assert [one.gain for one in told(parts).all] == [0, 0, 0]


@pytest.mark.parametrize("counts", [(), (50, 100), (50, 100, 100)])
def test_two_points_make_no_curve(counts: tuple[int, ...]) -> None:
    draw = np.random.default_rng(0)
    parts = [measured(draw, count, 50) for count in counts]
    assert forecast(parts, {"": 400}, {}, proportion=True) is None


def test_folds_judge_each_image_in_one_run() -> None:
    """Runs on different images: each has those of its fold."""
    parts = [
        Measured(
            classes={"": count},
            scores=[{f"{place}": float(place >= 200 * error(count)) for place in range(run, 200, 2)} for run in (0, 1)],
        )
        for count in COUNTS
    ]
    assert told(parts).all[-1].gain == pytest.approx(error(400) - error(800), abs=0.02)
