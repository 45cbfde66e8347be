"""Train: from a folder of images to a run folder."""

import contextlib
from pathlib import Path

from torch import nn

from convlens.backbones.external import adopt
from convlens.backbones.rehearse import rehearse
from convlens.backbones.resolve import weights_named
from convlens.core.errors import DataError, MachineError
from convlens.core.files import cache_folder
from convlens.core.progress import Progress, Say, silent, unsaid
from convlens.core.run import UNFINISHED, FeatureCounts, RunRecord
from convlens.core.stopping import resumable
from convlens.data.manifest import Manifest
from convlens.data.scan import scan
from convlens.pipeline.augmented_copies import with_views
from convlens.pipeline.fit import Fitting, fitted, judged
from convlens.pipeline.notices import Warnings, say_found, say_loss, say_start, warn_of_data, warn_of_random_weights
from convlens.pipeline.precision import settled
from convlens.pipeline.prepare import Prepared, freeze_outcome, prepare
from convlens.pipeline.resolve import changed_recipe, suited_to
from convlens.pipeline.split import divided, layout_of, likeness, with_whole_paths
from convlens.pipeline.validate import (
    refuse_contradictions,
    refuse_single_values,
    refuse_unfit_for,
    refuse_unfit_for_features,
    refuse_unfit_head,
    refuse_wrong_minutes,
)
from convlens.runs.run_directory import Begun, RunDirectory, read_begun, reserved_run_directory
from convlens.runs.stopwatch import Stopwatch
from convlens.runs.writer import RunResult, write_run_folder
from convlens.training.processes import Processes, joined
from convlens.training.recipe import Recipe
from convlens.transfer.device import resolve_device
from convlens.transfer.precision import known_precision
from convlens.transfer.prefix import ExtractedFeatures, extract_features
from convlens.zoo import card

CHECKPOINT_MINUTES = 5.0


def train(
    folder: str | Path,
    *,
    backbone: str | nn.Module = "house",
    weights: str | Path | None = None,
    freeze: str = "backbone",
    size: int | None = None,
    epochs: int = 20,
    batch_size: int = 32,
    learning_rate: float = 0.01,
    augment: bool = True,
    val_fraction: float = 0.2,
    precision: str = "auto",
    training_precision: str = "auto",
    device: str = "auto",
    seed: int = 0,
    out: str | Path | None = None,
    checkpoint_minutes: float = CHECKPOINT_MINUTES,
    progress: Progress = silent,
    say: Say = unsaid,
    **more: float | bool | str,
) -> RunRecord:
    """The record of a run: a network trained on a folder of images, by transfer learning or from scratch.

    `folder` holds one folder of images per class, or train/ and val/ (and test/) holding them, or is a zip or tar
    file of such; it is never written to. With `labels`, a CSV file, images may have a class, several labels each, or
    numbers (see data.label_columns.kind_of); the loss is the one that fits. `backbone` is a name of the zoo,
    "timm:NAME", or any module of one's own, which is copied (see `adopt`). `weights` is "package" (those that travel
    with the house network, its default), "random" (default of the others), a published set ("imagenet"), "pretrained"
    (what timm downloads for "timm:NAME"), or a file. `freeze` is "backbone", "conv", a module's path, or "none" (see
    transfer.freeze.freeze_plan). `device` is "cpu", "cuda", or "auto": a GPU where there is one. The frozen part runs
    once per image; its features are kept and reused. `more` are other fields of training.recipe.Recipe: momentum,
    warm_up, label_smoothing, ema, mixup, labels, task, group_by, split and so on. `out` is the run folder to be made,
    by default one under runs/. `say` is told warnings and what is wrong with the images.

    A checkpoint is written every `checkpoint_minutes` and, with freeze "none", after every epoch. The same call with
    the same `out`, or `resume`, goes on from the newest one, to the same weights bit for bit. Where `torchrun` started
    several processes, each takes its part of every minibatch; the first one writes, and all return the record.

    Raises UsageError for wrong arguments, DataError for unusable images or weights, MachineError for a full disk.
    """
    device = resolve_device(device)
    if isinstance(backbone, nn.Module):
        backbone = adopt(backbone, size=size)
    recipe = Recipe.of(
        backbone=backbone,
        weights=weights_named(backbone, weights),
        freeze=freeze,
        size=card(backbone).preprocessing.size if size is None else size,
        epochs=epochs,
        batch_size=batch_size,
        learning_rate=learning_rate,
        augment=augment,
        val_fraction=val_fraction,
        precision=known_precision(precision),
        training_precision=known_precision(training_precision),
        device=device,
        seed=seed,
        **more,
    )
    return train_by_recipe(folder, recipe, out=out, checkpoint_minutes=checkpoint_minutes, progress=progress, say=say)


def train_by_recipe(
    folder: str | Path,
    recipe: Recipe | str | Path,
    *,
    out: str | Path | None = None,
    checkpoint_minutes: float = CHECKPOINT_MINUTES,
    progress: Progress = silent,
    say: Say = unsaid,
    **changes: object,
) -> RunRecord:
    """As `train`, but by a recipe: a record, or a TOML file such as a run's recipe.toml; `changes` go before it."""
    recipe = with_whole_paths(changed_recipe(recipe, **changes))
    refuse_contradictions(recipe)
    refuse_unfit_for_features(recipe)
    return _run(folder, recipe, out, checkpoint_minutes, progress, say)


def resume(
    run: str | Path,
    *,
    checkpoint_minutes: float = CHECKPOINT_MINUTES,
    progress: Progress = silent,
    say: Say = unsaid,
) -> RunRecord:
    """The record of an unfinished run, `run`, after it has gone on from its newest checkpoint to its end.

    Raises UsageError where there is no such run or it is finished, DataError when the images have changed,
    MachineError where it was begun on a GPU and there is none.
    """
    directory = Path(run).expanduser()
    begun = read_begun(directory)
    _refuse_missing_gpu(begun, directory)
    target = directory.with_name(directory.name.removesuffix(UNFINISHED))
    return _run(begun.folder, begun.recipe, target, checkpoint_minutes, progress, say)


def _run(
    folder: str | Path,
    recipe: Recipe,
    out: str | Path | None,
    checkpoint_minutes: float,
    progress: Progress,
    say: Say,
) -> RunRecord:
    refuse_wrong_minutes(checkpoint_minutes)
    stopwatch = Stopwatch()
    with joined(recipe.device, say) as processes, contextlib.ExitStack() as stack:
        directory = processes.broadcast(lambda: stack.enter_context(reserved_run_directory(out, Path(folder), recipe)))
        if not processes.first:
            progress, say = silent, unsaid
        stack.enter_context(resumable(lambda: directory.resume_command(processes.count)))
        recipe = processes.broadcast(
            lambda: read_begun(directory.target).recipe
        )  # with the number formats of an earlier part
        result = _trained(folder, recipe, directory, checkpoint_minutes * 60, stopwatch, progress, say, processes)
        return processes.broadcast(lambda: write_run_folder(directory, result))


def _trained(
    folder: str | Path,
    recipe: Recipe,
    directory: RunDirectory,
    checkpoint_seconds: float,
    stopwatch: Stopwatch,
    progress: Progress,
    say: Say,
    processes: Processes,
) -> RunResult:
    """Scan, prepare, run the prefix, split, fit, judge."""
    warnings = Warnings(say)
    warn_of_random_weights(recipe, warnings)
    say_start(recipe, say)
    with processes.main_process_first():
        manifest, prepared = _found(recipe, folder, stopwatch, progress, warnings)
    with stopwatch("capture"):
        recipe = processes.broadcast(lambda: _settled(recipe, prepared, manifest, directory))
    with processes.main_process_first():
        prepared, features, manifest = _made_ready(recipe, prepared, manifest, stopwatch, progress, say, warnings)
    recipe = suited_to(recipe, manifest.task)
    fitting = Fitting(prepared=prepared, features=features, manifest=manifest, recipe=recipe, processes=processes)
    with stopwatch("fit"):
        model, history = fitted(fitting, directory, checkpoint_seconds, progress, say)
    stopwatch.add_earlier("fit", max(0.0, sum(metrics.seconds for metrics in history) - stopwatch.seconds["fit"]))
    with stopwatch("evaluate"):
        outcomes = [judged(fitting, model, side) for side in ("val", "test") if manifest.side(side)]
    return RunResult(
        recipe=recipe,
        manifest=manifest,
        task=fitting.task,
        module=prepared.module,
        preprocessing=prepared.preprocessing,
        weights=prepared.weights,
        freeze=freeze_outcome(prepared),
        features=_feature_counts(features, manifest),
        history=history,
        judged=outcomes,
        facts=features.facts,
        warnings=warnings.kept,
        stopwatch=stopwatch,
    )


def _found(
    recipe: Recipe, folder: str | Path, stopwatch: Stopwatch, progress: Progress, warnings: Warnings
) -> tuple[Manifest, Prepared]:
    """The images, and the network for their classes."""
    with stopwatch("scan"):
        manifest = scan(folder, progress, layout_of(recipe))
    refuse_unfit_for(manifest.task, recipe)
    with stopwatch("capture"):
        rehearse(recipe.backbone, len(manifest.classes), recipe.size, warnings)
        prepared = prepare(recipe, len(manifest.classes), progress)
    refuse_unfit_head(manifest.task, prepared.module.get_submodule(prepared.cut.head), recipe.backbone)
    refuse_single_values(recipe, prepared, len(manifest.images))
    return manifest, prepared


def _settled(recipe: Recipe, prepared: Prepared, manifest: Manifest, directory: RunDirectory) -> Recipe:
    """The recipe with its number formats, which the unfinished run remembers."""
    recipe = settled(recipe, prepared, manifest, cache_folder())
    directory.note(recipe)
    return recipe


def _made_ready(
    recipe: Recipe,
    prepared: Prepared,
    manifest: Manifest,
    stopwatch: Stopwatch,
    progress: Progress,
    say: Say,
    warnings: Warnings,
) -> tuple[Prepared, ExtractedFeatures, Manifest]:
    """The network, the features of the images, and the images, divided."""
    with stopwatch("prefix"):
        features = extract_features(
            prepared.cut.prefix,
            manifest,
            prepared.preprocessing,
            recipe.precision,
            cache_folder() / "store",
            progress,
        )
    stopwatch.add("decode", features.decode_seconds)
    usable = manifest.without(features.problems).with_usable_classes()
    manifest = divided(usable, recipe, lambda: likeness(usable, features.facts, warnings))
    _refuse_nothing_to_judge(manifest)
    say_found(manifest, say)
    if recipe.labels:
        say_loss(manifest, say)
    warn_of_data(manifest, features, warnings)
    if len(manifest.classes) != prepared.classes:
        # Undecodable images emptied a class: the head must fit those that are left.
        prepared = prepare(recipe, len(manifest.classes), progress)
    with stopwatch("prefix"):
        features = with_views(features, prepared, manifest, recipe, progress)
    return prepared, features, manifest


def _refuse_missing_gpu(begun: Begun, run: Path) -> None:
    try:
        resolve_device(begun.recipe.device)
    except MachineError as error:
        raise MachineError(
            f"{run} was begun on a GPU, and torch finds none that it can use here. Go on with it on a machine that has "
            "one, or train anew with --device cpu and another --out."
        ) from error


def _refuse_nothing_to_judge(manifest: Manifest) -> None:
    if not manifest.side("val"):
        raise DataError(
            f"{manifest.folder}: no usable validation image. Put some into its val/ folder or, in a table of "
            "labels, give some the side val. Where there is no such folder or side at all, a part of the training "
            "images is used."
        )


def _feature_counts(features: ExtractedFeatures, manifest: Manifest) -> FeatureCounts:
    rows = features.table.rows([manifest.images[0].sha256])
    return FeatureCounts(
        computed=features.computed,
        reused=len(manifest.images) - features.computed,
        decoded=features.decoded,
        bytes_per_image=rows.bytes_per_image,
    )
