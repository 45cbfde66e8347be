"""The table of a comparison: what is said of differences that may be chance."""

import dataclasses
import random

import pytest

from convlens.comparison.outcome import Outcome
from convlens.comparison.results import Contestant, mean_score, recommended, standings
from convlens.core.kinds.registry import KINDS
from convlens.core.run import EpochMetrics
from convlens.training.recipe import Recipe

IMAGES = 200
ACCURACY = KINDS["classification"].measure
EPOCH = EpochMetrics(
    epoch=1, learning_rate=0.1, train_loss=1, train_accuracy=0.5, val_loss=1, val_accuracy=0.5, seconds=1
)


def contestant(name, right, seconds=1.0):
    """Of one run that classified that many images correctly, the base's and then others."""
    scores = {f"{number:03d}": float(number < right) for number in range(IMAGES)}
    outcome = Outcome(history=[EPOCH], scores=scores, seconds=seconds, trained_parameters=10)
    return Contestant(name=name, does="something", recipe=Recipe(), outcomes=(outcome,))


def test_a_difference_that_counts_alone_but_not_among_many():
    base, better = contestant("base", 100), contestant("better", 108)
    few = standings([base, better], [(0, 0)], ACCURACY)
    assert few[1].verdict == "helps"
    assert "chance" not in few[1].sentence
    same = [contestant(f"same{number}", 100) for number in range(19)]
    among = standings([base, better, *same], [(0, 0)], ACCURACY)
    assert among[1].verdict == "no difference shown"
    assert among[1].sentence.endswith("it may be chance.")
    assert "chance" not in among[2].sentence


def recommendation(*contestants):
    return recommended(contestants, standings(contestants, [(0, 0)], ACCURACY), ACCURACY)


def test_what_is_not_shown_to_be_better_is_not_recommended():
    found = recommendation(contestant("base", 100), contestant("dear", 102, seconds=250.0))
    assert found == ("base", "No recipe was shown to be better than the base.")


def test_the_base_alone():
    assert recommendation(contestant("base", 100)) == ("base", "No other recipe was compared.")


def test_the_most_accurate_of_those_that_help():
    found = recommendation(contestant("base", 100), contestant("good", 130), contestant("better", 160, seconds=9.0))
    assert found == ("better", "It has the highest accuracy of the recipes that help.")


def test_ties_go_to_the_cheaper():
    base, quick, dear = contestant("base", 100), contestant("quick", 130), contestant("dear", 132, seconds=250.0)
    assert recommendation(base, quick, dear) == (
        "quick",
        "It helps, and no difference from dear, which takes longer, was shown.",
    )
    as_quick = contestant("as quick", 132, seconds=1.9)
    assert recommendation(base, quick, as_quick).name == "as quick"


class TestErrors:
    """Squared errors, of which less is better."""

    MEASURE = KINDS["regression"].measure

    def contestant(self, name, size, seconds=1.0):
        """Whose errors are around that size."""
        draw = random.Random(name)
        scores = {f"{number:03d}": size * draw.uniform(0.5, 1.5) for number in range(IMAGES)}
        outcome = Outcome(history=[EPOCH], scores=scores, seconds=seconds, trained_parameters=10)
        return Contestant(name=name, does="something", recipe=Recipe(), outcomes=(outcome,))

    def test_a_lower_error_helps_and_a_higher_one_harms(self):
        contestants = [self.contestant(*pair) for pair in (("base", 1.0), ("lower", 0.6), ("higher", 1.4))]
        base, lower, higher = standings(contestants, [(0, 0)], self.MEASURE)
        assert (lower.verdict, higher.verdict) == ("helps", "harms")
        assert lower.difference == pytest.approx(lower.value - base.value)
        assert lower.difference_interval[0] < lower.difference < lower.difference_interval[1] < 0
        assert lower.sentence.startswith(f"lower helps: squared error {lower.difference:.4f} (95% interval -")
        assert base.sentence.startswith(f"The base: the squared error is {base.value:.4f} of the variance")
        assert base.accuracy is None
        assert base.runs[0].value == base.value

    def test_the_lowest_error_is_recommended(self):
        contestants = [self.contestant(*pair) for pair in (("base", 1.0), ("lower", 0.6), ("lowest", 0.3))]
        rows = standings(contestants, [(0, 0)], self.MEASURE)
        found = recommended(contestants, rows, self.MEASURE)
        assert found == ("lowest", "It has the lowest squared error of the recipes that help.")

    def test_ties_go_to_the_cheaper(self):
        quick = self.contestant("quick", 0.6)
        dear = dataclasses.replace(quick, name="dear", outcomes=(dataclasses.replace(quick.outcomes[0], seconds=9.0),))
        contestants = [self.contestant("base", 1.0), dear, quick]
        rows = standings(contestants, [(0, 0)], self.MEASURE)
        assert recommended(contestants, rows, self.MEASURE).name == "quick"

    def test_no_interval_reaches_below_zero(self):
        scores = [{"a": 0.0, "b": 0.0, "c": 1.0}]
        mean, (low, high) = mean_score(scores, self.MEASURE)
        assert (mean, low) == (pytest.approx(1 / 3), 0.0)
        assert high > 1
