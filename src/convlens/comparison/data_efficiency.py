"""Fractions: transfer against training from scratch on ever more of the images."""

import dataclasses
import hashlib
import time
from collections import defaultdict
from collections.abc import Sequence

from convlens.backbones.resolve import refuse_to_draw
from convlens.comparison.results import mean_score
from convlens.comparison.shared_training import SharedTraining
from convlens.comparison.trials import Trial
from convlens.core.comparison import FractionPoint
from convlens.core.durations import duration
from convlens.core.errors import DivergedError, UsageError
from convlens.core.progress import Advance, Progress, Say
from convlens.core.settings import setting
from convlens.data.manifest import Manifest
from convlens.pipeline.resolve import changed_recipe
from convlens.training.recipe import Recipe


def refuse_wrong_fractions(fractions: Sequence[float], base: Recipe) -> None:
    """Raises UsageError for fractions out of range, and for a network that cannot be drawn at random."""
    if fractions:
        refuse_to_draw(base.backbone)
    if wrong := [fraction for fraction in fractions if not 0 < fraction <= 1]:
        raise UsageError(
            f"{setting('fractions', wrong[0])}: fractions of the training images must be above 0 and at most 1."
        )


def fraction_points(
    shared: SharedTraining,
    base: Recipe,
    trials: Sequence[Trial],
    fractions: Sequence[float],
    *,
    end: float | None,
    progress: Progress,
    say: Say,
) -> tuple[list[FractionPoint], list[str]]:
    """Transfer by the base recipe, and the same network from random weights, on ever more images.

    A fraction on which one of them diverges, or that begins after `end`, is left out, and said in the second list. The
    smallest fraction comes first, and shows how long the others will take.
    """
    points: list[FractionPoint] = []
    left_out: list[str] = []
    if not fractions:
        return [], []
    with progress("compare", 2 * len(fractions) * len(trials)) as advance:
        for number, fraction in enumerate(sorted(fractions)):
            begun = time.perf_counter()
            if end is not None and begun > end:
                left_out.append(f"{fraction:g} of the images: the budget was used up")
                continue
            try:
                points.append(_fraction_point(shared, base, trials, fraction, advance))
            except DivergedError as error:
                left_out.append(f"{fraction:g} of the images: {error}")
            if not number and len(fractions) > 1:
                took, rest = time.perf_counter() - begun, sum(fractions) / fraction - 1
                say(
                    f"transfer and training from scratch on {fraction:g} of the images took {duration(took)}; the "
                    f"larger fractions, about {duration(took * rest)}"
                )
    return points, left_out


def _fraction_point(
    shared: SharedTraining, base: Recipe, trials: Sequence[Trial], fraction: float, advance: Advance
) -> FractionPoint:
    scratch = changed_recipe(
        base,
        freeze="none",
        weights="random",
        unfreeze=0,
        head="linear",
        augmented_copies=0,
        momentum=0.9,
        schedule="cosine",
    )
    scores: dict[str, list[dict[str, float]]] = {"transfer": [], "scratch": []}
    measure, images = shared.measure, 0
    for trial in trials:
        for name, recipe in (("transfer", base), ("scratch", scratch)):
            seeded = trial.seeded(recipe)
            part = _part(shared.divided(seeded), fraction, trial.seed)
            scores[name].append(shared.run(seeded, part).scores)
            images = len(part.side("train"))
            advance(1, f"{fraction:g} of the images, {name}")
    transfer, transfer_interval = mean_score(scores["transfer"], measure)
    from_scratch, scratch_interval = mean_score(scores["scratch"], measure)
    return FractionPoint(
        fraction=fraction,
        images=images,
        transfer=transfer,
        transfer_interval=transfer_interval,
        scratch=from_scratch,
        scratch_interval=scratch_interval,
    )


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
