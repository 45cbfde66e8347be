"""Search: the backbone, the head and its regularization that cross-validation on the training images prefers.

First the backbones, all with the same kind of head; then, on the best of them, heads and regularization. The images
for validation and for testing take no part, so what is measured on them later was not chosen by them.
"""

import dataclasses
import time
from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from convlens.backbones.at_hand import at_hand
from convlens.comparison.race import race
from convlens.comparison.results import Contestant, mean_score
from convlens.comparison.shared_training import SharedTraining
from convlens.comparison.trials import Trial
from convlens.core.errors import UsageError
from convlens.core.kinds.measure import Measure
from convlens.core.progress import Progress, Say, unsaid
from convlens.core.search import Search, TriedRecipe, tried_name
from convlens.core.settings import setting
from convlens.data.manifest import Manifest
from convlens.pipeline.resolve import changed_recipe, suited_to
from convlens.pipeline.validate import refuse_contradictions
from convlens.training.recipe import Recipe
from convlens.training.tasks import TASKS

Settings = Mapping[str, str | float]

_FOLDS = 5
"""As many splits are drawn where a class has too few images for that many folds."""
_HEADS: tuple[Settings, ...] = (
    {"head": "logistic", "weight_decay": 1e-3},
    {"head": "ridge"},
    {"head": "logistic", "weight_decay": 1e-4},
    {"head": "logistic", "weight_decay": 1e-2},
    {"head": "logistic", "weight_decay": 1e-1},
    {"head": "linear", "weight_decay": 1e-4},
    {"head": "linear", "weight_decay": 1e-2},
    {"head": "hidden", "dropout": 0.0},
    {"head": "hidden", "dropout": 0.5},
)
"""Backbones are compared with the first of them that suits the task."""
_USED_UP = "the budget was used up"


class Found(NamedTuple):
    """The recipe that was chosen, and what was tried."""

    recipe: Recipe
    record: Search


def search(
    manifest: Manifest, base: Recipe, asked: Collection[str], *, seconds: float, progress: Progress, say: Say
) -> Found:
    """The recipe that does best by cross-validation: `base` with another backbone, head and regularization.

    Fields in `asked` stay as they are. Backbones are the base's and those `at_hand`. What would not be done within
    `seconds`, the last training on all training images included, is left out; the base's backbone with one head is
    always tried. Raises UsageError for a base that trains more than a new head.
    """
    start = time.perf_counter()
    _refuse_trained_backbone(base)
    training = training_images(manifest, base, progress, say)
    others = len(manifest.images) - len(training.images)
    heads = candidates(base, asked, training)
    bench = _Bench(training, others, heads[0], end=start + seconds, progress=progress, say=say)
    names = [base.backbone] if "backbone" in asked else [base.backbone, *at_hand()]
    on_backbones = bench.of_backbones([other_backbone(heads[0], name) for name in dict.fromkeys(names)])
    measure = manifest.kind.measure
    first = best_of(on_backbones, measure)
    with_heads = bench.of_heads([other_backbone(head, first.recipe.backbone) for head in heads[1:]])
    raced = [*on_backbones, *with_heads]
    chosen = best_of([first, *with_heads], measure)
    record = Search(
        task=manifest.task,
        images=len(training.images),
        folds=bench.trials[0].folds,
        tried=[_tried(one, measure) for one in raced],
        chosen=raced.index(chosen),
        left_out=bench.left_out,
        seconds=time.perf_counter() - start,
    )
    return Found(chosen.recipe.model_copy(update={"split": base.split, "fold": base.fold}), record)


def training_images(manifest: Manifest, recipe: Recipe, progress: Progress, say: Say) -> Manifest:
    """The images that training by the recipe would be trained on, not divided among themselves.

    Where the folder does not say which they are, look-alikes must be found first, for which all images are read.
    """
    if recipe.split or recipe.fold or not all(image.side for image in manifest.images):
        manifest = SharedTraining(manifest, progress, say).divided(recipe)
    images = tuple(dataclasses.replace(image, side=None) for image in manifest.side("train"))
    return dataclasses.replace(manifest, images=images)


def candidates(base: Recipe, asked: Collection[str], manifest: Manifest) -> list[Recipe]:
    """The base with each head that suits the task and contradicts nothing that was asked for; the base, else."""
    whole = suited_to(base.model_copy(update={"split": "", "fold": ""}), manifest.task)
    found = []
    for head in _HEADS:
        changes = {name: value for name, value in head.items() if name not in asked}
        recipe = whole.model_copy(update=changes)
        suits = recipe.head == head["head"] and not [*TASKS[manifest.task].unfit(recipe)]
        if suits and _is_consistent(recipe) and recipe not in found:
            found.append(recipe)
    return found or [whole]


def other_backbone(recipe: Recipe, name: str) -> Recipe:
    """The recipe on a backbone, with that one's trained weights and input size unless it is the recipe's own."""
    return recipe if recipe.backbone == name else changed_recipe(recipe, backbone=name)


class _Bench:
    """Where candidates are tried: the training images, the trials, and the time that is left."""

    def __init__(
        self, training: Manifest, others: int, base: Recipe, *, end: float, progress: Progress, say: Say
    ) -> None:
        self._shared = SharedTraining(training, progress, say)
        self._images, self._others = len(training.images), others
        self._end, self._progress = end, progress
        self.trials = self._trials(base)
        self._reserved = 0.0
        """Seconds for the features of the images that are not for training."""
        self._longest = 0.0
        """Seconds that any recipe took for all of its trials."""
        self.left_out: list[str] = []

    def _trials(self, base: Recipe) -> list[Trial]:
        if self._shared.most_folds(base) >= _FOLDS:
            return [Trial(seed=base.seed, fold=number, folds=_FOLDS) for number in range(1, _FOLDS + 1)]
        return [Trial(seed=base.seed + number, fold=0, folds=0) for number in range(_FOLDS)]

    def of_backbones(self, recipes: Sequence[Recipe]) -> list[Contestant]:
        """Those for whose features there is time; the first one in any case."""
        found: list[Contestant] = []
        for recipe in recipes:
            pace = self._shared.seconds_per_image(recipe)
            if found and not self._is_time_for(pace * (self._images + self._others) + self._longest):
                self.left_out.append(f"{_name(recipe)}: {_USED_UP}")
                continue
            found.append(self._raced(recipe))
            # The features of the other images are still to be computed, with whatever backbone is chosen.
            self._reserved = max(self._reserved, pace * self._others)
        return found

    def of_heads(self, recipes: Sequence[Recipe]) -> list[Contestant]:
        """Those that there is time for: each is taken to need as long as the longest recipe before it."""
        found: list[Contestant] = []
        for recipe in recipes:
            if self._is_time_for(self._longest + self._reserved):
                found.append(self._raced(recipe))
            else:
                self.left_out.append(f"{_name(recipe)}: {_USED_UP}")
        return found

    def _is_time_for(self, seconds: float) -> bool:
        return time.perf_counter() + seconds <= self._end

    def _raced(self, recipe: Recipe) -> Contestant:
        """The recipe with its outcomes in all trials, which are those of every other recipe."""
        alone = Contestant(name=_name(recipe), does="", recipe=recipe)
        self._shared.divided(self.trials[0].seeded(recipe))  # the features, whose time is not that of training
        start = time.perf_counter()
        raced = race(self._shared, [alone], self.trials, end=None, progress=self._progress, say=unsaid)
        self._longest = max(self._longest, time.perf_counter() - start)
        return raced.contestants[0]


def best_of(raced: Sequence[Contestant], measure: Measure) -> Contestant:
    """The one with the best mean; of equal ones that with the lowest loss."""
    return max(raced, key=lambda one: (measure.gain(mean_score(one.scores, measure)[0]), -_loss(one)))


def _loss(one: Contestant) -> float:
    return sum(outcome.history[-1].val_loss for outcome in one.outcomes) / len(one.outcomes)


def _regularization(recipe: Recipe) -> dict[str, float]:
    """The settings in which candidates with this head differ."""
    names = {name for head in _HEADS if head["head"] == recipe.head for name in head} - {"head"}
    return {name: getattr(recipe, name) for name in sorted(names)}


def _name(recipe: Recipe) -> str:
    return tried_name(recipe.backbone, recipe.head, _regularization(recipe))


def _tried(one: Contestant, measure: Measure) -> TriedRecipe:
    score, interval = mean_score(one.scores, measure)
    return TriedRecipe(
        backbone=one.recipe.backbone,
        head=one.recipe.head,
        settings=_regularization(one.recipe),
        score=score,
        interval=interval,
        loss=_loss(one),
        seconds=sum(outcome.seconds for outcome in one.outcomes),
    )


def _is_consistent(recipe: Recipe) -> bool:
    try:
        refuse_contradictions(recipe)
    except UsageError:
        return False
    return True


def _refuse_trained_backbone(base: Recipe) -> None:
    plain = {"freeze": "backbone", "unfreeze": 0, "augmented_copies": 0}
    if other := [name for name, value in plain.items() if getattr(base, name) != value]:
        raise UsageError(
            f"{setting(other[0], getattr(base, other[0]))}: a budget chooses a head for stored features of a frozen "
            f"backbone. Leave {setting(other[0])} out, or {setting('budget')}."
        )
