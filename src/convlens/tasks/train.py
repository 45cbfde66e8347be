"""Train: from a folder of images to a run folder."""

import contextlib
import dataclasses
from pathlib import Path
from typing import Unpack

from convlens.backbones.rehearse import rehearse
from convlens.backbones.timm_networks import built_name
from convlens.comparison.search import search
from convlens.core.cache_layout import STORE
from convlens.core.errors import MachineError
from convlens.core.files import cache_folder
from convlens.core.progress import Progress, Say, silent, unsaid
from convlens.core.run import UNFINISHED, FeatureCounts, RunRecord
from convlens.core.search import Search
from convlens.core.settings import setting
from convlens.core.stopping import resumable
from convlens.data.manifest import Manifest, Side
from convlens.data.scan import scan
from convlens.pipeline.augmented_copies import with_views
from convlens.pipeline.changes import RecipeChanges
from convlens.pipeline.fit import Fitting, fitted, predictions_for
from convlens.pipeline.notices import (
    Warnings,
    say_found,
    say_layout,
    say_license,
    say_loss,
    say_start,
    warn_of_data,
    warn_of_random_weights,
)
from convlens.pipeline.precision import settled
from convlens.pipeline.prepare import Prepared, feature_note, freeze_outcome, prepare
from convlens.pipeline.resolve import changed_settings, resolved_recipe, suited_to
from convlens.pipeline.split import (
    divided,
    layout_of,
    likeness,
    refuse_nothing_to_judge,
    usable_images,
    with_whole_paths,
)
from convlens.pipeline.trust import trusted, why_not
from convlens.pipeline.validate import (
    refuse_contradictions,
    refuse_single_values,
    refuse_unfit_for,
    refuse_unfit_for_features,
    refuse_unfit_head,
    refuse_wrong_budget,
    refuse_wrong_minutes,
)
from convlens.runs.run_directory import Begun, RunDirectory, read_begun, refuse_taken, reserved_run_directory
from convlens.runs.stopwatch import Stopwatch
from convlens.runs.writer import RunResult, write_run_folder
from convlens.training.processes import Processes, joined
from convlens.training.recipe import Recipe, with_present_names
from convlens.transfer.device import resolve_device
from convlens.transfer.prefix import ExtractedFeatures, extract_features

CHECKPOINT_MINUTES = 5.0


def train(
    folder: str | Path,
    recipe: Recipe | str | Path | None = None,
    *,
    out: str | Path | None = None,
    budget: float | None = None,
    checkpoint_minutes: float = CHECKPOINT_MINUTES,
    progress: Progress = silent,
    say: Say = unsaid,
    **changes: Unpack[RecipeChanges],
) -> RunRecord:
    """The record of a run: a network trained on a folder of images, by transfer learning or from scratch.

    `folder` holds one folder of images per class, or train/ and val/ (and test/) holding them, or is a zip or tar
    file of such; it is never written to. `recipe` is a record or a TOML file, such as a run's recipe.toml; None for the
    default one, with the weights, input size, number format and device that fit the network and the machine. `changes`
    override its fields, which docs/options.md lists: epochs=5, backbone="resnet18", weights="imagenet", freeze="none"
    and so on. The backbone may also be any module of one's own, which is copied (see `adopt`). The frozen part runs
    once per image; its features are kept and reused. `out` is the run folder to create, by default one under runs/.
    `say` receives warnings and what is wrong with the images.

    With a `budget` in seconds, backbone, head and regularization are chosen first, by cross-validation on the training
    images, as far as `changes` leave them open and the time goes; the record says what was tried.

    A checkpoint is written every `checkpoint_minutes` and, with freeze "none", after every epoch. The same call with
    the same `out`, or `resume`, goes on from the newest one, to the same weights bit for bit. Where `torchrun` started
    several processes, each takes its part of every minibatch; the first one writes, and all return the record.

    Raises UsageError for wrong arguments, DataError for unusable images or weights, MachineError for a full disk.
    """
    resolved = with_whole_paths(resolved_recipe(recipe, **changes))
    refuse_contradictions(resolved)
    refuse_unfit_for_features(resolved)
    if budget is None:
        return _run(folder, resolved, out, checkpoint_minutes, progress, say)
    refuse_wrong_budget(budget, recipe)
    refuse_taken(out)
    manifest = scan(folder, progress, layout_of(resolved))
    found = search(manifest, resolved, with_present_names(changes).keys(), seconds=budget, progress=progress, say=say)
    return _run(folder, found.recipe, out, checkpoint_minutes, progress, say, chosen_by=found.record)


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
    *,
    chosen_by: Search | None = None,
) -> RunRecord:
    refuse_wrong_minutes(checkpoint_minutes)
    stopwatch = Stopwatch()
    with joined(recipe.device, say) as processes, contextlib.ExitStack() as stack:
        directory = processes.broadcast(
            lambda: stack.enter_context(reserved_run_directory(out, Path(folder), recipe, chosen_by))
        )
        if not processes.first:
            progress, say = silent, unsaid
        stack.enter_context(resumable(lambda: directory.resume_command(processes.count)))
        begun = processes.broadcast(lambda: read_begun(directory.target))  # with number formats of an earlier part
        training = Training(
            directory=directory,
            checkpoint_seconds=checkpoint_minutes * 60,
            stopwatch=stopwatch,
            progress=progress,
            say=say,
            warnings=Warnings(say),
            processes=processes,
        )
        result = training.run(folder, begun)
        return processes.broadcast(lambda: write_run_folder(directory, result))


@dataclasses.dataclass(frozen=True, kw_only=True)
class Training:
    """The way from a recipe to a result, with what accompanies all of its steps."""

    directory: RunDirectory
    checkpoint_seconds: float
    stopwatch: Stopwatch
    progress: Progress
    say: Say
    warnings: Warnings
    processes: Processes

    def run(self, folder: str | Path, begun: Begun) -> RunResult:
        """Scan, prepare, extract features, split, fit, evaluate."""
        recipe = begun.recipe
        warn_of_random_weights(recipe, self.warnings)
        say_start(recipe, self.say)
        with self.processes.main_process_first():
            manifest, prepared = self._scan_and_prepare(folder, recipe)
        with self.stopwatch("capture"):
            recipe = self.processes.broadcast(lambda: self._settle(recipe, prepared, manifest))
        with self.processes.main_process_first():
            features = self.extract(recipe, prepared, manifest)
            manifest = self.split(recipe, manifest, features)
            prepared = prepared.for_classes(len(manifest.classes), recipe)  # undecodable images may empty a class
            with self.stopwatch("prefix"):
                features = with_views(features, prepared, manifest, recipe, self.progress)
        recipe = suited_to(recipe, manifest.task)
        return self.fit_and_evaluate(
            Fitting(prepared=prepared, features=features, manifest=manifest, recipe=recipe, processes=self.processes),
            begun.chosen_by,
        )

    def _scan_and_prepare(self, folder: str | Path, recipe: Recipe) -> tuple[Manifest, Prepared]:
        """The images, and the network for their classes."""
        with self.stopwatch("scan"):
            manifest = scan(folder, self.progress, layout_of(recipe))
        say_layout(manifest, self.warnings)
        refuse_unfit_for(manifest.task, recipe)
        with self.stopwatch("capture"):
            network = built_name(recipe.backbone, recipe.size, recipe.pooling)
            say_license(recipe, self.say)
            rehearse(network, len(manifest.classes), recipe.size, self.warnings)
            prepared = prepare(recipe, len(manifest.classes), self.progress, self.say)
        refuse_unfit_head(manifest.task, prepared.module.get_submodule(prepared.cut.head), recipe.backbone)
        refuse_single_values(recipe, prepared, len(manifest.images))
        return manifest, prepared

    def _settle(self, recipe: Recipe, prepared: Prepared, manifest: Manifest) -> Recipe:
        """The recipe with its number formats, which the unfinished run remembers."""
        recipe = settled(recipe, prepared, manifest, cache_folder())
        self.directory.note(recipe)
        return recipe

    def extract(self, recipe: Recipe, prepared: Prepared, manifest: Manifest) -> ExtractedFeatures:
        """The features of the images, from the store as far as it has them."""
        store = cache_folder() / STORE
        with self.stopwatch("prefix"):
            features = extract_features(
                prepared.cut.prefix,
                manifest,
                prepared.preprocessing,
                recipe.precision,
                store,
                self.progress,
                note=feature_note(prepared),
            )
        self.stopwatch.add("decode", features.decode_seconds)
        return features

    def split(self, recipe: Recipe, manifest: Manifest, features: ExtractedFeatures) -> Manifest:
        """The images that can be used, with a side for each."""
        usable = usable_images(manifest, features)
        manifest = divided(usable, recipe, lambda: likeness(usable, features.facts, self.warnings))
        refuse_nothing_to_judge(manifest)
        say_found(manifest, self.say)
        if recipe.labels:
            say_loss(manifest, self.say)
        warn_of_data(manifest, features, self.warnings)
        return manifest

    def fit_and_evaluate(self, fitting: Fitting, chosen_by: Search | None) -> RunResult:
        """The trained network, calibrated where that is wanted, and how well it does."""
        prepared, manifest, stopwatch = fitting.prepared, fitting.manifest, self.stopwatch
        not_calibrated = why_not(fitting)
        untrained = None if not_calibrated else prepared.copied()
        with stopwatch("fit"):
            model, history = fitted(fitting, self.directory, self.checkpoint_seconds, self.progress, self.say)
        stopwatch.add_earlier("fit", max(0.0, sum(metrics.seconds for metrics in history) - stopwatch.seconds["fit"]))
        with stopwatch("calibrate"):
            trust = trusted(fitting, untrained, model, self.progress) if untrained else None
        calibration = trust.record.calibration if trust else None
        with stopwatch("evaluate"):
            sides: list[Side] = [side for side in ("val", "test") if manifest.side(side)]
            outcomes = [predictions_for(fitting, model, side, calibration) for side in sides]
        return RunResult(
            recipe=fitting.recipe,
            changed=changed_settings(fitting.recipe),
            network=prepared.network,
            manifest=manifest,
            task=fitting.task.calibrated(calibration),
            module=prepared.module,
            preprocessing=prepared.preprocessing,
            weights=prepared.weights,
            freeze=freeze_outcome(prepared),
            features=_feature_counts(fitting.features, manifest),
            history=history,
            predictions=outcomes,
            facts=fitting.features.facts,
            warnings=self.warnings.kept,
            trust=trust,
            not_calibrated=not_calibrated,
            chosen_by=chosen_by,
            stopwatch=stopwatch,
        )


def _refuse_missing_gpu(begun: Begun, run: Path) -> None:
    try:
        resolve_device(begun.recipe.device)
    except MachineError as error:
        raise MachineError(
            f"{run} was started on a GPU, and torch finds none that it can use here. Resume it on a machine that has "
            f"one, or train again with {setting('device', 'cpu')} and another {setting('out')}."
        ) from error


def _feature_counts(features: ExtractedFeatures, manifest: Manifest) -> FeatureCounts:
    rows = features.table.rows([manifest.images[0].sha256])
    return FeatureCounts(
        computed=features.computed,
        reused=len(manifest.images) - features.computed,
        decoded=features.decoded,
        bytes_per_image=rows.bytes_per_image,
    )
