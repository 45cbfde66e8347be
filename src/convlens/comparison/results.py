"""Standings: from how recipes did in each run to the lines of the table, with what can be said of each."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from convlens.comparison.outcome import Outcome
from convlens.core.comparison import ComparedRecipe, ComparedRun, Verdict
from convlens.training.metrics import wilson_interval
from convlens.training.recipe import Recipe
from convlens.training.significance import Difference, holm, paired_difference

_LEVEL = 0.05
_AS_CHEAP = 2.0
"""Times of training within this factor of each other count as the same: a machine's noise should not decide."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Contestant:
    """A recipe, and how it did in each trial so far."""

    name: str
    does: str
    recipe: Recipe
    outcomes: tuple[Outcome, ...] = ()


def standings(contestants: Sequence[Contestant], trials: Sequence[tuple[int, int]]) -> list[ComparedRecipe]:
    """The lines of the table, the base (the first one) on top; `trials` are seed and fold of each outcome.

    A recipe helps or harms where its difference to the base is significant at 5 % after correction for the number of
    recipes; else no difference was shown.
    """
    base, *others = contestants
    of_base = [outcome.hits for outcome in base.outcomes]
    differences = [paired_difference([outcome.hits for outcome in one.outcomes], of_base) for one in others]
    corrected = holm([difference.p_value for difference in differences])
    same = Difference(0.0, (0.0, 0.0), 1.0)
    return [
        _row(base, same, 1.0, "base", trials),
        *(
            _row(one, difference, p_value, _verdict(difference, p_value), trials)
            for one, difference, p_value in zip(others, differences, corrected, strict=True)
        ),
    ]


class Recommendation(NamedTuple):
    """The recipe to take, and why."""

    name: str
    reason: str


def recommended(contestants: Sequence[Contestant], rows: Sequence[ComparedRecipe]) -> Recommendation:
    """The most accurate recipe of those that help, or the base where none was shown to.

    Where no difference to the most accurate one is shown, and that one takes over twice as long, a cheaper one goes
    before it.
    """
    helping = [(one, row) for one, row in zip(contestants, rows, strict=True) if row.verdict == "helps"]
    if not helping:
        others = "No other recipe was compared" if len(rows) == 1 else "No recipe was shown to be better than the base"
        return Recommendation(rows[0].name, f"{others}.")
    by_accuracy = sorted(helping, key=lambda pair: (-pair[1].accuracy, pair[1].val_loss))
    most_accurate, _ = by_accuracy[0]
    tied = [pair for pair in by_accuracy if not _differ(most_accurate, pair[0])]
    cheapest = min(row.seconds for _, row in tied)
    best = next(row for _, row in tied if row.seconds <= _AS_CHEAP * cheapest)
    if best.name == most_accurate.name:
        return Recommendation(best.name, "It has the highest accuracy of the recipes that help.")
    return Recommendation(
        best.name, f"It helps, and no difference to {most_accurate.name}, which takes longer, was shown."
    )


def _differ(one: Contestant, other: Contestant) -> bool:
    """Whether a difference between two recipes is shown."""
    hits, base = ([outcome.hits for outcome in contestant.outcomes] for contestant in (one, other))
    return paired_difference(hits, base).p_value < _LEVEL


def mean_accuracy(hits: Sequence[Mapping[str, bool]]) -> tuple[float, tuple[float, float]]:
    """The mean over the runs, and its 95 % interval for as many different images as were judged.

    Runs share images, so that they do not count as more of them: the interval is rather too wide.
    """
    images = len({name for one in hits for name in one})
    accuracy = sum(sum(one.values()) for one in hits) / sum(len(one) for one in hits)
    return accuracy, wilson_interval(accuracy * images, images)


def _verdict(difference: Difference, p_value: float) -> Verdict:
    if p_value >= _LEVEL:
        return "no difference shown"
    return "helps" if difference.value > 0 else "harms"


def _row(
    one: Contestant, difference: Difference, p_value: float, verdict: Verdict, trials: Sequence[tuple[int, int]]
) -> ComparedRecipe:
    runs = [
        ComparedRun(
            seed=seed,
            fold=fold,
            accuracy=outcome.accuracy,
            train_loss=outcome.history[-1].train_loss,
            val_loss=outcome.history[-1].val_loss,
            seconds=outcome.seconds,
            epochs=outcome.history,
        )
        for outcome, (seed, fold) in zip(one.outcomes, trials, strict=False)
    ]
    accuracy, interval = mean_accuracy([outcome.hits for outcome in one.outcomes])
    return ComparedRecipe(
        name=one.name,
        does=one.does,
        recipe=one.recipe.model_dump(),
        trained_parameters=one.outcomes[0].trained_parameters,
        runs=runs,
        accuracy=accuracy,
        interval=interval,
        difference=difference.value,
        difference_interval=difference.interval,
        p_value=p_value,
        verdict=verdict,
        sentence=_sentence(one, difference, verdict, len(runs), accuracy),
        seconds=_mean([run.seconds for run in runs]),
        train_loss=_mean([run.train_loss for run in runs]),
        val_loss=_mean([run.val_loss for run in runs]),
    )


def _sentence(one: Contestant, difference: Difference, verdict: Verdict, runs: int, accuracy: float) -> str:
    over = f"over {runs} run{'s' if runs > 1 else ''}"
    if verdict == "base":
        return f"The base: {accuracy:.1%} of the validation images are classified rightly, {over}."
    low, high = (f"{100 * value:+.1f}" for value in difference.interval)
    told = {
        "helps": f"{one.name} helps",
        "harms": f"{one.name} harms",
        "no difference shown": f"{one.name}: no difference shown",
    }[verdict]
    alone = " Alone it would count; among so many recipes it may be chance."
    doubt = alone if verdict == "no difference shown" and difference.p_value < _LEVEL else ""
    return f"{told}: {100 * difference.value:+.1f} points (95 % interval {low} to {high}), {over}.{doubt}"


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
