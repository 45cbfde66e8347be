"""Trials: the splits and seeds on which recipes are compared with each other."""

import dataclasses

from convlens.core.errors import UsageError
from convlens.core.settings import setting
from convlens.training.recipe import Recipe


@dataclasses.dataclass(frozen=True, kw_only=True)
class Trial:
    """One split with one seed; every recipe is trained once in it."""

    seed: int
    fold: int
    folds: int

    def seeded(self, recipe: Recipe) -> Recipe:
        """The recipe with this trial's seed and fold."""
        fold = {"fold": f"{self.fold}/{self.folds}"} if self.folds else {}
        return recipe.model_copy(update={"seed": self.seed, **fold})


def trials_of(base: Recipe, seeds: int, folds: int) -> list[Trial]:
    """A trial for every seed, or for every seed and fold. Raises UsageError for numbers that make none."""
    if folds and (base.split or base.fold):
        raise UsageError(f"{setting('folds', folds)} splits the images itself; leave split and fold out of the recipe.")
    if seeds < 1 or folds < 0 or folds == 1:
        raise UsageError(
            f"{setting('seeds', seeds)} {setting('folds', folds)}: at least one seed is needed, and no folds or at "
            "least two."
        )
    return [
        Trial(seed=base.seed + number, fold=which, folds=folds)
        for number in range(seeds)
        for which in range(1, folds + 1)
    ] or [Trial(seed=base.seed + number, fold=0, folds=0) for number in range(seeds)]
