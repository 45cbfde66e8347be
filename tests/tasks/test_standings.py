"""The table of a comparison: what is said of differences that may be chance."""

from convlens.core.run import EpochMetrics
from convlens.tasks.outcome import Outcome
from convlens.tasks.standings import Contestant, standings
from convlens.training.recipe import Recipe

PICTURES = 200


def contestant(name, right):
    """Of one run that had so many pictures right, the base's and then others."""
    hits = {f"{number:03d}": number < right for number in range(PICTURES)}
    epoch = EpochMetrics(
        epoch=1, learning_rate=0.1, train_loss=1, train_accuracy=0.5, val_loss=1, val_accuracy=0.5, seconds=1
    )
    outcome = Outcome(history=[epoch], hits=hits, seconds=1.0, trained_parameters=10)
    return Contestant(name=name, does="something", recipe=Recipe(), outcomes=[outcome])


def test_a_difference_that_counts_alone_but_not_among_many():
    base, better = contestant("base", 100), contestant("better", 105)
    few = standings([base, better], [(0, 0)])
    assert few[1].verdict == "helps"
    assert "chance" not in few[1].sentence
    same = [contestant(f"same{number}", 100) for number in range(19)]
    among = standings([base, better, *same], [(0, 0)])
    assert among[1].verdict == "no difference shown"
    assert among[1].sentence.endswith("Alone it would count; among so many recipes it may be chance.")
    assert "chance" not in among[2].sentence
