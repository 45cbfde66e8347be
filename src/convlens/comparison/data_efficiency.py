"""Fractions: transfer, and training from scratch, on ever more of the images, and what still more would be worth."""

import dataclasses
import hashlib
import time
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from convlens.backbones.resolve import refuse_to_draw
from convlens.comparison.learning_curve import Measured, forecast
from convlens.comparison.results import mean_score
from convlens.comparison.shared_training import SharedTraining
from convlens.comparison.trials import Trial
from convlens.core.comparison import Forecast, FractionPoint
from convlens.core.durations import duration
from convlens.core.errors import DivergedError, UsageError
from convlens.core.progress import Advance, Progress, Say
from convlens.core.settings import setting
from convlens.data.manifest import Manifest
from convlens.pipeline.resolve import changed_recipe
from convlens.training.recipe import Recipe


class DataEfficiency(NamedTuple):
    """How well training does on parts of the images."""

    points: list[FractionPoint]
    forecast: Forecast | None
    left_out: list[str]
    """Fractions without a point, each with the reason."""


def refuse_wrong_fractions(fractions: Sequence[float], base: Recipe, *, scratch: bool) -> None:
    """Raises UsageError for fractions out of range, and for a network that cannot be drawn at random."""
    if fractions and scratch:
        refuse_to_draw(base.backbone)
    if wrong := [fraction for fraction in fractions if not 0 < fraction <= 1]:
        raise UsageError(
            f"{setting('fractions', wrong[0])}: fractions of the training images must be above 0 and at most 1."
        )


def data_efficiency(
    shared: SharedTraining,
    base: Recipe,
    trials: Sequence[Trial],
    fractions: Sequence[float],
    *,
    scratch: bool,
    end: float | None,
    progress: Progress,
    say: Say,
) -> DataEfficiency:
    """Transfer by the base recipe, and with `scratch` the same network from random weights, on ever more images.

    A fraction on which one of them diverges, or that begins after `end`, is left out. The smallest fraction comes
    first, and shows how long the others will take.
    """
    points: list[FractionPoint] = []
    parts: list[Measured] = []
    left_out: list[str] = []
    if not fractions:
        return DataEfficiency([], None, [])
    recipes = {"transfer": base, **({"scratch": _from_scratch(base)} if scratch else {})}
    with progress("compare", len(recipes) * len(fractions) * len(trials)) as advance:
        for number, fraction in enumerate(sorted(fractions)):
            begun = time.perf_counter()
            if end is not None and begun > end:
                left_out.append(f"{fraction:g} of the images: the budget was used up")
                continue
            try:
                point, part = _fraction_point(shared, recipes, trials, fraction, advance)
                points.append(point)
                parts.append(part)
            except DivergedError as error:
                left_out.append(f"{fraction:g} of the images: {error}")
            if not number and len(fractions) > 1:
                took, rest = time.perf_counter() - begun, sum(fractions) / fraction - 1
                what = "transfer and training from scratch" if scratch else "transfer"
                say(
                    f"{what} on {fraction:g} of the images took {duration(took)}; the larger fractions, about "
                    f"{duration(took * rest)}"
                )
    return DataEfficiency(points, _forecast(shared, base, trials, parts), left_out)


def _forecast(
    shared: SharedTraining, base: Recipe, trials: Sequence[Trial], parts: Sequence[Measured]
) -> Forecast | None:
    splits = [shared.divided(trial.seeded(base)) for trial in trials]
    labels = {image.sha256: image.labels[0] for split in splits for image in split.side("val") if split.kind.exclusive}
    return forecast(parts, _counts(splits[0]), labels, proportion=shared.measure.proportion)


def _from_scratch(base: Recipe) -> Recipe:
    return changed_recipe(
        base,
        freeze="none",
        weights="random",
        unfreeze=0,
        head="linear",
        augmented_copies=0,
        momentum=0.9,
        schedule="cosine",
    )


def _fraction_point(
    shared: SharedTraining, recipes: Mapping[str, Recipe], trials: Sequence[Trial], fraction: float, advance: Advance
) -> tuple[FractionPoint, Measured]:
    scores: dict[str, list[dict[str, float]]] = {name: [] for name in recipes}
    counts: dict[str, int] = {}
    for trial in trials:
        for name, recipe in recipes.items():
            seeded = trial.seeded(recipe)
            part = _part(shared.divided(seeded), fraction, trial.seed)
            scores[name].append(shared.run(seeded, part).scores)
            counts = _counts(part)
            advance(1, f"{fraction:g} of the images, {name}")
    measured = Measured(classes=counts, scores=scores["transfer"])
    transfer, transfer_interval = mean_score(scores["transfer"], shared.measure)
    scratch = mean_score(scores["scratch"], shared.measure) if "scratch" in scores else None
    point = FractionPoint(
        fraction=fraction,
        images=measured.images,
        transfer=transfer,
        transfer_interval=transfer_interval,
        scratch=scratch[0] if scratch else None,
        scratch_interval=scratch[1] if scratch else None,
    )
    return point, measured


def _counts(manifest: Manifest) -> dict[str, int]:
    """Training images of each class, and under "" of all."""
    images = manifest.side("train")
    classes = Counter(image.labels[0] for image in images) if manifest.kind.exclusive else {}
    return {**classes, "": len(images)}


def _part(manifest: Manifest, fraction: float, seed: int) -> Manifest:
    """The manifest with a part of the training images of each class or label, at least one, or of all of them.

    Larger parts hold the smaller ones.
    """
    strata: defaultdict[str, set[str]] = defaultdict(set)
    for one in manifest.side("train"):
        for name in manifest.kind.strata(one.labels) or ("",):
            strata[name].add(one.sha256)
    kept: set[str] = set()
    for hashes in strata.values():
        ranked = sorted(hashes, key=lambda sha256: hashlib.sha256(f"{seed}:part:{sha256}".encode()).digest())
        kept |= set(ranked[: max(1, round(len(ranked) * fraction))])
    images = tuple(one for one in manifest.images if one.side != "train" or one.sha256 in kept)
    return dataclasses.replace(manifest, images=images)
