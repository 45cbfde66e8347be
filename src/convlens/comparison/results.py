"""Standings: from how recipes did in each run to the lines of the table, with what can be said of each."""

import dataclasses
from collections.abc import Sequence
from typing import NamedTuple

from convlens.comparison.outcome import Outcome
from convlens.core.comparison import BackboneCost, ComparedRecipe, ComparedRun, Verdict
from convlens.core.intervals import wilson_interval
from convlens.core.kinds.measure import Measure
from convlens.core.many_tests import holm
from convlens.training.recipe import Recipe
from convlens.training.significance import Difference, Scores, mean_interval, paired_difference

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
    cost: BackboneCost | None = None

    @property
    def scores(self) -> Scores:
        """Of each outcome, by image."""
        return [outcome.scores for outcome in self.outcomes]


def standings(
    contestants: Sequence[Contestant], trials: Sequence[tuple[int, int]], measure: Measure
) -> list[ComparedRecipe]:
    """The lines of the table, the base (the first one) on top; `trials` are seed and fold of each outcome.

    `measure` is what the outcomes' scores are.

    A recipe helps or harms where its difference to the base is significant at 5% after correction for the number of
    recipes; else no difference was shown.
    """
    base, *others = contestants
    differences = [paired_difference(one.scores, base.scores, proportions=measure.proportion) for one in others]
    corrected = holm([difference.p_value for difference in differences])
    same = Difference(0.0, (0.0, 0.0), 1.0)
    return [
        _row(base, _Finding(same, 1.0, "base"), trials, measure),
        *(
            _row(one, _Finding(difference, p_value, _verdict(difference, p_value, measure)), trials, measure)
            for one, difference, p_value in zip(others, differences, corrected, strict=True)
        ),
    ]


class Recommendation(NamedTuple):
    """The recipe to take, and why."""

    name: str
    reason: str


def recommended(contestants: Sequence[Contestant], rows: Sequence[ComparedRecipe], measure: Measure) -> Recommendation:
    """The best recipe of those that help, or the base where none was shown to.

    Where no difference to the best one is shown, and that one takes over twice as long, a cheaper one is recommended.
    """
    helping = [(one, row) for one, row in zip(contestants, rows, strict=True) if row.verdict == "helps"]
    if not helping:
        others = "No other recipe was compared" if len(rows) == 1 else "No recipe was shown to be better than the base"
        return Recommendation(rows[0].name, f"{others}.")
    ranked = sorted(helping, key=lambda pair: (-measure.gain(pair[1].value), pair[1].val_loss))
    first, _ = ranked[0]
    tied = [pair for pair in ranked if not _differ(first, pair[0], measure)]
    cheapest = min(row.seconds for _, row in tied)
    best = next(row for _, row in tied if row.seconds <= _AS_CHEAP * cheapest)
    if best.name == first.name:
        return Recommendation(best.name, f"It has the {measure.best} of the recipes that help.")
    return Recommendation(best.name, f"It helps, and no difference from {first.name}, which takes longer, was shown.")


def _differ(one: Contestant, other: Contestant, measure: Measure) -> bool:
    """Whether a difference between two recipes is shown."""
    return paired_difference(one.scores, other.scores, proportions=measure.proportion).p_value < _LEVEL


def mean_score(scores: Scores, measure: Measure) -> tuple[float, tuple[float, float]]:
    """The mean over the runs, and its 95% interval.

    That of a proportion is Wilson's for as many different images as were evaluated: runs share images, so that they do
    not count as more of them, and the interval is rather too wide. That of an error does not reach below 0.
    """
    mean = sum(sum(one.values()) for one in scores) / sum(len(one) for one in scores)
    if measure.proportion:
        images = len({name for one in scores for name in one})
        return mean, wilson_interval(mean * images, images)
    low, high = mean_interval(scores)
    return mean, (max(0.0, low), high)


def _verdict(difference: Difference, p_value: float, measure: Measure) -> Verdict:
    if p_value >= _LEVEL:
        return "no difference shown"
    return "helps" if measure.gain(difference.value) > 0 else "harms"


class _Finding(NamedTuple):
    """What is found of a recipe in relation to the base."""

    difference: Difference
    p_value: float
    """Corrected for the number of recipes."""
    verdict: Verdict


def _row(one: Contestant, finding: _Finding, trials: Sequence[tuple[int, int]], measure: Measure) -> ComparedRecipe:
    runs = [
        ComparedRun(
            seed=seed,
            fold=fold,
            value=outcome.mean_score,
            accuracy=outcome.mean_score if measure.proportion else None,
            train_loss=outcome.history[-1].train_loss,
            val_loss=outcome.history[-1].val_loss,
            seconds=outcome.seconds,
            epochs=outcome.history,
        )
        for outcome, (seed, fold) in zip(one.outcomes, trials, strict=False)
    ]
    value, interval = mean_score(one.scores, measure)
    return ComparedRecipe(
        name=one.name,
        does=one.does,
        recipe=one.recipe.model_dump(),
        trained_parameters=one.outcomes[0].trained_parameters,
        runs=runs,
        value=value,
        accuracy=value if measure.proportion else None,
        interval=interval,
        difference=finding.difference.value,
        difference_interval=finding.difference.interval,
        p_value=finding.p_value,
        verdict=finding.verdict,
        sentence=_sentence(one, finding, value, measure),
        seconds=_mean([run.seconds for run in runs]),
        train_loss=_mean([run.train_loss for run in runs]),
        val_loss=_mean([run.val_loss for run in runs]),
        cost=one.cost,
    )


def _sentence(one: Contestant, finding: _Finding, value: float, measure: Measure) -> str:
    difference, verdict, runs = finding.difference, finding.verdict, len(one.outcomes)
    over = f"over {runs} run{'s' if runs > 1 else ''}"
    if verdict == "base":
        return f"The base: {measure.statement.format(measure.text(value))}, {over}."
    low, high = map(measure.difference_text, difference.interval)
    told = {
        "helps": f"{one.name} helps",
        "harms": f"{one.name} harms",
        "no difference shown": f"{one.name}: no difference shown",
    }[verdict]
    alone = " Significant on its own, but not among this many recipes: it may be chance."
    doubt = alone if verdict == "no difference shown" and difference.p_value < _LEVEL else ""
    by = measure.difference_statement(difference.value)
    return f"{told}: {by} (95% interval {low} to {high}), {over}.{doubt}"


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
