"""Extend: a finished run learns a new class, or more images of those that it knows, in closed form."""

import dataclasses
import shlex
from pathlib import Path

from torch import nn

from convlens.core.bundle import Bundle
from convlens.core.errors import UsageError
from convlens.core.kinds.registry import KINDS
from convlens.core.progress import Progress, Say, silent, unsaid
from convlens.core.run import RECIPE_FILE, RunRecord
from convlens.core.settings import setting
from convlens.data.scan import labeled_images
from convlens.pipeline.extension import (
    extending_recipe,
    extension,
    joined,
    refuse_lost_classes,
    weights_below_head,
)
from convlens.pipeline.fit import Fitting
from convlens.pipeline.layout import asked_layout
from convlens.pipeline.notices import Warnings, say_layout
from convlens.pipeline.prepare import prepared_again
from convlens.pipeline.resolve import changed_recipe
from convlens.pipeline.trained import is_run, load_run, refuse_swapped
from convlens.report.run_folder import read_run
from convlens.runs.run_directory import refuse_taken, reserved_run_directory
from convlens.runs.stopwatch import Stopwatch
from convlens.runs.writer import write_run_folder
from convlens.tasks.train import CHECKPOINT_MINUTES, Training
from convlens.training.processes import ALONE
from convlens.zoo import card


def extend(
    run: str | Path,
    folder: str | Path,
    *,
    out: str | Path | None = None,
    labels: str | Path | None = None,
    file_column: str = "",
    label_columns: str = "",
    nested: bool = False,
    predefined_split: bool = True,
    group_by: str = "",
    progress: Progress = silent,
    say: Say = unsaid,
) -> RunRecord:
    """The record of a new run: `run` with the images of a folder added, of new classes or of those that it knows.

    `folder` holds a folder of images for each class, one class is enough; or `labels` is a table of them. These
    settings and those from `file_column` to `group_by` are as in `train`. A new last layer is fitted by ridge
    regression to what the network's last layer reads of all images, old and new; the layers below stay as they are.
    Features that are stored are not computed again, so the old images need not be there any more where the store has
    them. Images that the run validated on are still validated on, and the record's `extension` says what it gained or
    lost on them; of the new ones the same part is held out, unless the folder has a split. An image that both have,
    under two labels, is used of neither. `out` is the run folder to create, by default one under runs/; `run` is not
    changed.

    Raises UsageError for what is no run on classes, or whose network does not end in linear layers; DataError where
    there is nothing new, or images of a class are lost.
    """
    refuse_swapped(run, folder)
    source = Path(run).expanduser()
    refuse_taken(out)
    record, bundle, module = _extendable(run, source)
    stopwatch = Stopwatch()
    layout = asked_layout(
        labels,
        file_column=file_column,
        task="classification" if labels else "auto",
        label_columns=label_columns,
        nested=nested,
        predefined_split=predefined_split,
    )
    with stopwatch("scan"):
        added = labeled_images(folder, progress, dataclasses.replace(layout, group_by=group_by, least_classes=1))
        images = joined(source, record, added, progress)
    weights, weights_used = weights_below_head(source, record, bundle)
    recipe = extending_recipe(changed_recipe(source / RECIPE_FILE, device="auto"), weights)
    recipe = recipe.model_copy(update={"precision": bundle.precision})
    warnings = Warnings(say)
    say_layout(images.manifest, warnings)
    with reserved_run_directory(out, Path(folder), recipe) as directory:
        training = Training(
            directory=directory,
            checkpoint_seconds=CHECKPOINT_MINUTES * 60,
            stopwatch=stopwatch,
            progress=progress,
            say=say,
            warnings=warnings,
            processes=ALONE,
        )
        with stopwatch("capture"):
            prepared = prepared_again(bundle, module, weights_used, recipe, len(images.manifest.classes))
        features = training.extract(recipe, prepared, images.manifest)
        refuse_lost_classes(images, features.problems)
        manifest = training.split(recipe, images.manifest, features)
        prepared = prepared.for_classes(len(manifest.classes), recipe)  # undecodable images may empty a class
        fitting = Fitting(prepared=prepared, features=features, manifest=manifest, recipe=recipe)
        result = training.fit_and_evaluate(fitting, None)
        found = extension(images, str(folder), manifest, result.predictions[0], result.task)
        if found.lost:
            warnings(
                f"{found.lost} of {images.before_in_all} images of {source} can be had no more: the new head is fitted "
                "without them"
            )
        command = _command(run, folder, labels)
        return write_run_folder(
            directory, dataclasses.replace(result, extension=found, command=command, warnings=warnings.kept)
        )


def _command(run: str | Path, folder: str | Path, labels: str | Path | None) -> str:
    table = ["--labels", str(labels)] if labels else []
    return shlex.join(["convlens", "extend", str(run), str(folder), *table])


def _extendable(run: str | Path, source: Path) -> tuple[RunRecord, Bundle, nn.Module]:
    """Raises UsageError for a run that cannot be extended."""
    if not is_run(run):
        raise UsageError(
            f"{run} is the name of a network, and only a run can be extended. Train one "
            f"({setting('backbone', str(run))}), and extend that."
        )
    record = read_run(source)
    if not KINDS[record.task].exclusive:
        raise UsageError(
            f"{run} has learned {KINDS[record.task].holds}, and only a run on classes can be extended. Train again on "
            "all images."
        )
    bundle, module = load_run(source)
    head = module.get_submodule(card(bundle.backbone).head)
    if not isinstance(head, nn.Linear | nn.Sequential):
        raise UsageError(
            f"the network of {run} ends in a {type(head).__name__}, and only a linear one is fitted in closed form. "
            "Train again on all images."
        )
    return record, bundle, module
