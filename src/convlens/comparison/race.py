"""The race: every recipe of a comparison trained in every trial, as far as the time goes."""

import contextlib
import dataclasses
import time
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from convlens.comparison.outcome import Outcome
from convlens.comparison.results import Contestant
from convlens.comparison.shared_training import SharedTraining
from convlens.comparison.siblings import family
from convlens.comparison.trials import Trial
from convlens.core.durations import duration
from convlens.core.errors import ConvlensError, DivergedError
from convlens.core.progress import Advance, Progress, Say, noted
from convlens.training.recipe import Recipe


class Raced(NamedTuple):
    """How it went."""

    contestants: list[Contestant]
    """Those that came through, with an outcome for each trial that was run; the base first."""
    left_out: list[str]
    """What there was no time for, or what diverged, each with the reason."""


def race(
    shared: SharedTraining,
    contestants: Sequence[Contestant],
    trials: Sequence[Trial],
    *,
    end: float | None,
    progress: Progress,
    say: Say,
) -> Raced:
    """Train every recipe in every trial; the first contestant is the base, without which nothing is compared.

    After `end`, on the clock of time.perf_counter, no further recipe begins in the first trial, and no further trial.
    What all of it will take is said after the first training and after the first trial. Raises DivergedError where the
    base diverges.
    """
    with progress("compare", len(contestants) * len(trials)) as advance:
        return _Race(shared, contestants, end, advance, say).run(trials)


class _Race:
    """Outcomes by the names of their recipes, as they come."""

    def __init__(
        self, shared: SharedTraining, contestants: Sequence[Contestant], end: float | None, advance: Advance, say: Say
    ) -> None:
        self._shared = shared
        self._contestants = contestants
        self._base = contestants[0]
        self._end = end
        self._advance, self._say = advance, say
        self._outcomes: dict[str, list[Outcome]] = {one.name: [] for one in contestants}
        self._left_out: list[str] = []

    def run(self, trials: Sequence[Trial]) -> Raced:
        first, *others = trials
        begun = time.perf_counter()
        self._first_trial(first, len(trials))
        if others:
            took = time.perf_counter() - begun
            self._say(
                f"one training of each recipe took {duration(took)}; the rest, about {duration(took * len(others))}"
            )
        self._other_trials(others, len(trials))
        came_through = [
            dataclasses.replace(one, outcomes=tuple(self._outcomes[one.name]))
            for one in self._contestants
            if self._outcomes[one.name]
        ]
        return Raced(came_through, self._left_out)

    def _first_trial(self, trial: Trial, num_trials: int) -> None:
        """With an end, the clock is asked before each recipe, so that none trains beside others."""
        begun = time.perf_counter()
        groups = _families(self._contestants) if self._end is None else [[one] for one in self._contestants]
        for group in groups:
            is_first = group[0] is self._base
            if self._end is not None and not is_first and time.perf_counter() > self._end:
                self._left_out.append(f"{group[0].name}: the budget was used up")
                continue
            self._train(group, trial)
            if is_first:
                self._say_pace(len(group), len(self._contestants) * num_trials, time.perf_counter() - begun)

    def _other_trials(self, trials: Sequence[Trial], num_trials: int) -> None:
        longest = 0.0
        for number, trial in enumerate(trials):
            begun = time.perf_counter()
            if self._end is not None and begun + longest > self._end:
                left = len(trials) - number
                self._left_out.append(f"{left} of {num_trials} runs of each recipe: the budget was used up")
                break
            for group in _families([one for one in self._contestants if self._outcomes[one.name]]):
                self._train(group, trial)
            longest = max(longest, time.perf_counter() - begun)

    def _say_pace(self, done: int, total: int, seconds: float) -> None:
        """What is to be expected, after the trainings of the base and of all that trained with it at once."""
        if total > done:
            first = "the first training" if done == 1 else f"the first {done} trainings"
            self._say(
                f"{first} took {duration(seconds)}; {total} of that kind, about {duration(seconds * total / done)}. "
                "Recipes that train more layers take longer"
            )

    def _train(self, group: Sequence[Contestant], trial: Trial) -> None:
        """Train contestants of one family, at once where that is faster, else one after another.

        One that diverges is out, with all its runs.
        """
        recipes = [trial.seeded(one.recipe) for one in group]
        self._advance(0, group[0].name if len(group) == 1 else f"{len(group)} recipes at once")
        with _named(group[0]):
            outcomes = self._shared.run_at_once(recipes)
        for contestant, recipe, outcome in zip(group, recipes, outcomes, strict=True):
            try:
                with _named(contestant):
                    inside = noted(self._advance, contestant.name)
                    alone = outcome or self._shared.run(recipe, self._shared.divided(recipe), inside)
                self._outcomes[contestant.name].append(alone)
            except DivergedError as error:
                if contestant is self._base:
                    raise
                self._outcomes[contestant.name].clear()
                self._left_out.append(f"with seed {recipe.seed}, {error}")
            self._advance(1, contestant.name)


def _families(contestants: Sequence[Contestant]) -> list[list[Contestant]]:
    """Those whose heads see the same minibatches, and may train at once."""
    families: dict[Recipe, list[Contestant]] = {}
    for one in contestants:
        families.setdefault(family(one.recipe), []).append(one)
    return list(families.values())


@contextlib.contextmanager
def _named(contestant: Contestant) -> Iterator[None]:
    """An error inside says whose it is."""
    try:
        yield
    except ConvlensError as error:
        raise error.within(f"recipe {contestant.name!r}") from error
