"""Extension: the images of a finished run, joined by others that were labeled after it."""

import dataclasses
import os
from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from convlens.core.bundle import MODEL_FILE, Bundle
from convlens.core.errors import DataError
from convlens.core.extension import Extension
from convlens.core.kinds.registry import KINDS
from convlens.core.progress import Progress
from convlens.core.run import Problem, RunRecord, WeightsUsed
from convlens.data.archive import folder_of
from convlens.data.manifest import ImageFile, Manifest, Side
from convlens.data.scan import duplicates, image_at
from convlens.data.split_file import SPLIT_FILE, images_in_split
from convlens.data.walk import shown
from convlens.runs.predictions import Predictions
from convlens.runs.validation_images import validation_answers
from convlens.training.recipe import SETTINGS, Recipe
from convlens.training.significance import paired_difference
from convlens.training.task import Task

_SILENCED = (
    *("unfreeze", "head_epochs", "batch_norm", "dropout", "augmented_copies", "cutmix", "progressive_resizing"),
    *("labels", "file_column", "task", "label_columns", "nested", "predefined_split", "group_by", "split", "fold"),
)
"""Settings of what a head in closed form has nothing of, and of a folder whose images have their sides."""
_NAMED = 3


class Joined(NamedTuple):
    """All images of an extended run, those without a side being to be split."""

    run: Path
    record: RunRecord
    """Of the run before."""
    manifest: Manifest
    before: tuple[ImageFile, ...]
    """Those of the run before that can still be had, as far as can be told before their features are looked up."""
    before_in_all: int


def extending_recipe(recipe: Recipe, weights: str) -> Recipe:
    """The recipe of a run, with a head by ridge regression on what the run's own last layer reads."""
    usual = {name: SETTINGS[name].default for name in _SILENCED}
    return recipe.model_copy(update={**usual, "weights": weights, "freeze": "backbone", "head": "ridge"})


def weights_below_head(run: Path, record: RunRecord, bundle: Bundle) -> tuple[str, WeightsUsed]:
    """What the network below the head of a run is: the weights that it began with, or its own where it trained them."""
    recipe = record.recipe
    if recipe["freeze"] == "backbone" and not recipe["unfreeze"] and recipe["head"] != "own":
        return str(recipe["weights"]), record.weights
    path = (run / MODEL_FILE).absolute()
    return str(path), WeightsUsed(source="file", name=path.name, sha256=bundle.sha256)


def joined(run: Path, record: RunRecord, added: Manifest, progress: Progress) -> Joined:
    """The images of a run, each on its side, and those added that it does not have yet.

    Images whose files are gone stay: their features may be stored. Files that changed are problems. Classes of the run
    keep their order, and new ones come after them. Raises DataError where nothing is added, and what `read_split`
    raises.
    """
    root = folder_of(record.folder)
    known = images_in_split(run / SPLIT_FILE, root, KINDS[record.task])
    kept, changed = _unchanged(known, progress)
    there = {(image.sha256, image.labels) for image in known}
    fresh = [_named_from(root, image) for image in added.images if (image.sha256, image.labels) not in there]
    if not fresh:
        raise DataError(
            f"{added.folder}: {run} was trained on all its {len(added.images)} images already. Give a folder with "
            "others."
        )
    images = (*kept, *fresh)
    classes = (*record.classes, *(name for name in added.classes if name not in record.classes))
    manifest = Manifest(
        folder=record.folder,
        classes=classes,
        images=images,
        problems=(*added.problems, *changed),
        task=record.task,
        notices=added.notices,
    )
    return Joined(run, record, manifest.without(duplicates(images)), kept, len(known))


def _unchanged(images: Sequence[ImageFile], progress: Progress) -> tuple[tuple[ImageFile, ...], list[Problem]]:
    """The images but for those whose files are others now, and these."""
    kept: list[ImageFile] = []
    changed: list[Problem] = []
    with ThreadPoolExecutor(os.cpu_count()) as pool, progress("scan", len(images)) as advance:
        for image, now in zip(images, pool.map(lambda one: image_at(one.path, one.file), images), strict=True):
            if isinstance(now, ImageFile) and now.sha256 != image.sha256:
                detail = "not the file that it was when the run was trained"
                changed.append(Problem(file=image.file, reason="changed", detail=detail, used=False))
            else:
                kept.append(image)
            advance(1)
    return tuple(kept), changed


def _named_from(root: Path, image: ImageFile) -> ImageFile:
    """The image with a name that means the same from the run's folder on: below it relative, elsewhere absolute."""
    whole, base = image.path.absolute(), root.absolute()
    return dataclasses.replace(
        image, path=whole, file=shown(whole.relative_to(base) if whole.is_relative_to(base) else whole)
    )


def refuse_lost_classes(images: Joined, problems: tuple[Problem, ...]) -> None:
    """Raises DataError where these problems leave no training image of a class of the run."""
    run, record, manifest = images.run, images.record, images.manifest.without(problems)
    left = {name for image in manifest.side("train") for name in image.labels}
    if lost := [name for name in record.classes if name not in left]:
        more = f" and {len(lost) - _NAMED} more" if len(lost) > _NAMED else ""
        raise DataError(
            f"{run}: of the classes {', '.join(map(repr, lost[:_NAMED]))}{more} no training image can be had any more, "
            f"neither from {record.folder} nor from the feature store, and the new head is fitted to the images of all "
            "classes. Put them back in their place, or train again on what there is."
        )


def extension(images: Joined, folder: str, manifest: Manifest, after: Predictions, task: Task) -> Extension:
    """What came of it: `manifest` are the images in use, `after` the answers to those for validation."""
    run, record = images.run, images.record
    before = {image.sha256 for image in images.before}
    added = [image for image in manifest.images if image.sha256 not in before]
    answers = validation_answers(run, record.classes)
    was_right: dict[str, float] = {}
    is_right: dict[str, float] = {}
    taken_for_new = 0
    for image, row in zip(after.images, after.answers.tolist(), strict=True):
        if image.file in answers and image.sha256 in before:
            earlier = answers[image.file]
            was_right[image.file] = image.labels == (record.classes[earlier.index(max(earlier))],)
            is_right[image.file] = image.labels == task.labels(row)
            taken_for_new += not set(task.labels(row)) <= set(record.classes)
    if not is_right:
        raise DataError(f"{run}: none of its validation images can be had any more, so nothing tells what is lost.")
    found = paired_difference([is_right], [was_right])
    return Extension(
        run=str(run),
        folder=folder,
        new_classes=[name for name in manifest.classes if name not in record.classes],
        train=_on("train", added),
        val=_on("val", added),
        lost=images.before_in_all - (len(manifest.images) - len(added)),
        compared=len(is_right),
        before=sum(was_right.values()) / len(was_right),
        after=sum(is_right.values()) / len(is_right),
        interval=found.interval,
        p_value=found.p_value,
        taken_for_new=taken_for_new,
    )


def _on(side: Side, images: Collection[ImageFile]) -> int:
    return sum(image.side == side for image in images)
