"""Plan: what a comparison tries, resolved and checked before any work, and the command that asks for it."""

import dataclasses
import math
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from convlens.comparison.data_efficiency import refuse_wrong_fractions
from convlens.comparison.results import Contestant
from convlens.comparison.trials import Trial, trials_of
from convlens.comparison.tricks import PLAIN, together, trick
from convlens.core.errors import UsageError
from convlens.core.settings import setting
from convlens.core.task import TaskName
from convlens.pipeline.resolve import changed_recipe, suited_to
from convlens.pipeline.validate import refuse_contradictions, refuse_unfit_backbone, refuse_unfit_for
from convlens.training.recipe import DATA, SETTINGS, Recipe
from convlens.training.setting import flag
from convlens.training.tasks import TASKS

_BASE = "base"
AT_HAND = "at-hand"
"""Instead of a backbone's name: all whose trained weights are on this machine."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Plan:
    """A base recipe and what is compared with it, and how often."""

    base: Recipe
    tricks: tuple[str, ...] = ()
    backbones: tuple[str, ...] = ()
    """Names, or NAME=FILE."""
    fractions: tuple[float, ...] = ()
    scratch: bool = True
    """Whether fractions are also trained on from random weights."""
    seeds: int
    folds: int = 0
    budget: float | None = None
    """In seconds."""

    def refuse_wrong(self) -> None:
        """Raises UsageError for unknown names, recipes that contradict themselves, and values out of range."""
        for one in self.contestants:
            refuse_contradictions(one.recipe)
        _ = self.trials
        refuse_wrong_fractions(self.fractions, self.base, scratch=self.scratch)
        if self.budget is not None and not 0 <= self.budget < math.inf:
            raise UsageError(f"{setting('budget', self.budget)}: give a number of seconds, 0 or more.")

    @property
    def trials(self) -> list[Trial]:
        """The splits and seeds."""
        return trials_of(self.base, self.seeds, self.folds)

    @property
    def first_recipe(self) -> Recipe:
        """The base in the first trial."""
        return self.trials[0].seeded(self.base)

    @property
    def contestants(self) -> list[Contestant]:
        """The base, each trick, all of them together, and the base on other backbones."""
        base, chosen = self.base, [trick(name) for name in dict.fromkeys(self.tricks)]
        found = [Contestant(name=_BASE, does="the base recipe", recipe=base)]
        found += [Contestant(name=one.name, does=one.does, recipe=one.apply(base)) for one in chosen]
        if len(chosen) > 1:
            whole = together(chosen)
            found.append(Contestant(name=whole.name, does=f"all at once: {whole.does}", recipe=whole.apply(base)))
        return [*found, *self._on_backbones()]

    def _on_backbones(self) -> list[Contestant]:
        """The base on other backbones, each once. Of several with the same network the names tell the weights."""
        found = []
        for text in dict.fromkeys(self.backbones):
            name, _, weights = text.partition("=")
            recipe = changed_recipe(self.base, backbone=name, weights=weights or None, size=None)
            if recipe != self.base:
                shown = f"{name}={Path(recipe.weights).name}" if self._is_repeated(name) else name
                found.append(Contestant(name=shown, does=f"{name}, weights {recipe.weights}", recipe=recipe))
        return found

    def _is_repeated(self, backbone: str) -> bool:
        names = [self.base.backbone, *(text.partition("=")[0] for text in dict.fromkeys(self.backbones))]
        return names.count(backbone) > 1

    @property
    def with_cost(self) -> set[str]:
        """Names of the contestants whose networks are compared with each other: base and backbones, not tricks."""
        return {_BASE, *(one.name for one in self._on_backbones())} if self.backbones else set()

    def suited_to(self, task: TaskName) -> tuple[Self, list[str]]:
        """The plan for what is learned, without tricks that make no sense for it, and those in words.

        Raises UsageError where the base itself makes none, or another backbone does not.
        """
        refuse_unfit_for(task, self.base)
        for name in self.backbones:
            refuse_unfit_backbone(task, name.partition("=")[0])
        unfit = [name for name in self.tricks if any(TASKS[task].unfit(trick(name).apply(self.base)))]
        fit = tuple(name for name in self.tricks if name not in unfit)
        plural = TASKS[task].kind.noun[1]
        left_out = [f"{name}: it does not apply to {plural}" for name in unfit]
        return dataclasses.replace(self, base=suited_to(self.base, task), tricks=fit), left_out

    def with_learning_rate(self, rate: float) -> Self:
        """The plan with another learning rate of the base."""
        return dataclasses.replace(self, base=self.base.model_copy(update={"learning_rate": rate}))

    def command(self, folder: str) -> str:
        """A command that gives the same table again. The rate that a range test found stands in it as a number."""
        words = ["convlens", "compare", folder, "--tricks", ",".join(self.tricks), "--seeds", str(self.seeds)]
        words += ["--folds", str(self.folds)] if self.folds else []
        words += ["--budget", f"{self.budget:g}s"] if self.budget is not None else []
        words += ["--fractions", ",".join(f"{fraction:g}" for fraction in self.fractions)] if self.fractions else []
        words += ["--no-scratch"] if self.fractions and not self.scratch else []
        words += ["--backbones", ",".join(self.backbones)] if self.backbones else []
        return shlex.join([*words, *_options(self.base)])


def _options(base: Recipe) -> Sequence[str]:
    """The base as options of the command line."""
    words: list[str] = []
    plain = Recipe.of(**PLAIN).model_dump()
    for name, value in base.model_dump().items():
        common, states = SETTINGS[name].common, SETTINGS[name].panel != DATA or value != plain[name]
        if common and states:
            words += [flag(name)] if value is True else [flag(name), str(value)]
        elif value != plain[name]:
            words += ["--set", f"{name}={value}"]
    return words
