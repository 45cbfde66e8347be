"""The table of a comparison: what is said of differences that may be chance."""

from convlens.comparison.outcome import Outcome
from convlens.comparison.results import Contestant, recommended, standings
from convlens.core.kinds.registry import KINDS
from convlens.core.run import EpochMetrics
from convlens.training.recipe import Recipe

IMAGES = 200
ACCURACY = KINDS["classification"].measure


def contestant(name, right, seconds=1.0):
    """Of one run that classified that many images correctly, the base's and then others."""
    scores = {f"{number:03d}": float(number < right) for number in range(IMAGES)}
    epoch = EpochMetrics(
        epoch=1, learning_rate=0.1, train_loss=1, train_accuracy=0.5, val_loss=1, val_accuracy=0.5, seconds=1
    )
    outcome = Outcome(history=[epoch], scores=scores, seconds=seconds, trained_parameters=10)
    return Contestant(name=name, does="something", recipe=Recipe(), outcomes=(outcome,))


def test_a_difference_that_counts_alone_but_not_among_many():
    base, better = contestant("base", 100), contestant("better", 108)
    few = standings([base, better], [(0, 0)], ACCURACY)
    assert few[1].verdict == "helps"
    assert "chance" not in few[1].sentence
    same = [contestant(f"same{number}", 100) for number in range(19)]
    among = standings([base, better, *same], [(0, 0)], ACCURACY)
    assert among[1].verdict == "no difference shown"
    assert among[1].sentence.endswith("Alone it would count; among so many recipes it may be chance.")
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
        "It helps, and no difference to dear, which takes longer, was shown.",
    )
    as_quick = contestant("as quick", 132, seconds=1.9)
    assert recommendation(base, quick, as_quick).name == "as quick"
