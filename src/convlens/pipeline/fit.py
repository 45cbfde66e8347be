"""Fit: from a prepared network and the features of images to a trained one, and how well it does."""

import dataclasses
import functools
import hashlib
import json
import time
from collections.abc import Sequence

import torch
from torch import Tensor

from convlens.backbones.resolve import RANDOM
from convlens.core.errors import DivergedError, UsageError
from convlens.core.files import disk_errors_named, write_atomically
from convlens.core.kinds.kind import Labels, text_of
from convlens.core.progress import Progress, Say
from convlens.core.run import METRICS_FILE, EpochMetrics
from convlens.core.settings import setting
from convlens.core.task import first_task_name
from convlens.core.trust import Calibration
from convlens.data.augment import Augmentation
from convlens.data.batches import centered
from convlens.data.manifest import ImageFile, Manifest, Side
from convlens.graph.run import run
from convlens.pipeline.prepare import Prepared
from convlens.pipeline.validate import CLOSED_FORM, refuse_single_values
from convlens.runs.predictions import Predictions
from convlens.runs.run_directory import RunDirectory
from convlens.training.checkpoint import Checkpoints
from convlens.training.learner import Model
from convlens.training.loop import OnEpoch, fit, no_log, predict_logits
from convlens.training.objective import L2, Objective
from convlens.training.processes import ALONE, Processes
from convlens.training.progressive_resizing import ProgressiveResizing
from convlens.training.recipe import Recipe
from convlens.training.task import Task
from convlens.training.tasks import TASKS
from convlens.transfer.examples import FeatureExamples, PixelExamples
from convlens.transfer.head_stage import HeadExamples, head_model
from convlens.transfer.prefix import ExtractedFeatures
from convlens.transfer.rates import rate_factors
from convlens.transfer.ridge import LinearHead, ridge, ridge_classifier
from convlens.zoo import card


@dataclasses.dataclass(frozen=True, kw_only=True)
class Fitting:
    """Everything that fitting starts from."""

    prepared: Prepared
    features: ExtractedFeatures
    manifest: Manifest
    recipe: Recipe
    processes: Processes = ALONE

    @functools.cached_property
    def task(self) -> Task:
        """What is learned; numbers on the scale of the training images."""
        return TASKS[self.manifest.task].measured(self.manifest.classes, self._labels("train"))

    @functools.cached_property
    def objective(self) -> Objective:
        """The loss, with class weights where the recipe wants them."""
        if not self.recipe.class_weights:
            return self.task.objective()
        return self.task.objective(self.task.encoded(self._labels("train")).to(self.recipe.device))

    def model(self) -> Model:
        """What is trained. Raises UsageError where a minibatch would leave batch normalization a single value."""
        refuse_single_values(self.recipe, self.prepared, len(self.manifest.side("train")))
        cut = self.prepared.cut
        convolves = any(node.operator.startswith("aten.conv") for node in cut.training.suffix.operators)
        return Model(
            train_forward=self._train_forward,
            eval_forward=self._eval_forward,
            parameters=cut.trained_parameters,
            buffers=cut.changing_buffers,
            factors=self._rate_factors(),
            objective=self.objective,
            evaluated_at_once=self.recipe.batch_size if convolves else Model.evaluated_at_once,  # it is known to fit
            auxiliary_weight=self._auxiliary_weight(),
            device=self.recipe.device,
            autocast=torch.bfloat16 if self.recipe.training_precision == "bf16" and convolves else None,
        )

    def examples(self, side: Side, *, augment: bool) -> FeatureExamples | PixelExamples:
        """The images of one side: their features, or their pixels where nothing is frozen."""
        images = self.manifest.side(side)
        rows = self.features.table.rows(image.sha256 for image in images)
        labels = self.task.encoded(self._labels(side))
        files = [image.file for image in images]
        if self.prepared.cut.prefix.operators:
            views = self.features.augmented_copies if augment else ()
            return FeatureExamples(rows, labels, files, [view.rows(one.sha256 for one in images) for view in views])
        transform = self._augmentation() if augment else centered
        return PixelExamples(rows, labels, files, self.prepared.preprocessing, transform, self.recipe.device)

    def head_examples(self, side: Side) -> HeadExamples:
        """What the head reads of the images of one side, unchanged ones."""
        return HeadExamples(self.prepared.cut, self.examples(side, augment=False))

    def growth(self, examples: FeatureExamples | PixelExamples) -> ProgressiveResizing | None:
        """How the training examples grow, if they do. Raises UsageError where a part is computed once per image."""
        if self.recipe.progressive_resizing == 1:
            return None
        if isinstance(examples, FeatureExamples):
            raise UsageError(
                f"{setting('progressive_resizing', self.recipe.progressive_resizing)}: {self.recipe.backbone} begins "
                "with layers without trained parameters, which are computed once, for one image size. Leave the "
                "option out."
            )
        return ProgressiveResizing(sides=self.prepared.sides, examples=examples.at)

    def key(self) -> str:
        """SHA-256 of all that decides the outcome: a checkpoint with another key belongs to another training."""
        sides = [[_identity(image) for image in self.manifest.side(side)] for side in ("train", "val")]
        learned = first_task_name(self.manifest.task), self.manifest.classes
        began = self.prepared.weights.sha256, self.prepared.frozen_before  # a file may be replaced under its name
        parts = [self.recipe.identity(), *began, *learned, sides, torch.__version__, self.processes.count]
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()

    def _train_forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        cut = self.prepared.cut
        graph = self.prepared.smaller.get(inputs[0].shape[-1], cut.training.suffix)
        return cut.logits(run(graph, *inputs), training=True)

    def _eval_forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        cut = self.prepared.cut
        return cut.logits(run(cut.evaluation.suffix, *inputs), training=False)

    def _labels(self, side: Side) -> list[Labels]:
        return [image.labels for image in self.manifest.side(side)]

    def _rate_factors(self) -> dict[str, float]:
        """Layers that were trained before, and are no part of the head, learn more slowly."""
        if self.recipe.weights == RANDOM or self.recipe.head == "own":
            return {}
        return rate_factors(self.prepared.cut, unfrozen=self.recipe.backbone_lr, per_block=self.recipe.layer_decay)

    def _auxiliary_weight(self) -> float:
        """0 where something is frozen: auxiliary heads that stay random have nothing to teach."""
        weight = card(self.recipe.backbone).auxiliary_weight
        return weight if weight and self.recipe.freeze == "none" else 0.0

    def _augmentation(self) -> Augmentation:
        recipe = self.recipe
        return Augmentation(crop_area=recipe.crop_area, color=recipe.color, erasing=recipe.erasing)


def fitted(
    fitting: Fitting, directory: RunDirectory, checkpoint_seconds: float, progress: Progress, say: Say
) -> tuple[Model, list[EpochMetrics]]:
    """The trained model and the metrics of its epochs; goes on from the newest checkpoint of the directory."""
    checkpoints = Checkpoints(directory.checkpoints, fitting.key(), seconds=checkpoint_seconds, say=say)
    try:
        log = _MetricsLog(directory) if fitting.processes.first else no_log
        return in_stages(fitting, progress, log, checkpoints)
    except DivergedError as error:
        raise _with_files(error, directory) from error


def _with_files(error: DivergedError, directory: RunDirectory) -> DivergedError:
    """The error with where all files of the minibatch are listed, and what is left."""
    told = error.marked
    if error.files:
        path = directory.target.with_name(f"{directory.target.name}.diverged.txt")
        write_atomically(path, "".join(f"{file}\n" for file in error.files))
        told += f" All files of that minibatch are listed in {path}."
    if directory.has_checkpoints:
        told += f" The last good checkpoint stays in {directory.checkpoints}."
    return DivergedError(told, error.files)


def in_stages(
    fitting: Fitting,
    progress: Progress,
    on_epoch: OnEpoch = no_log,
    checkpoints: Checkpoints | None = None,
) -> tuple[Model, list[EpochMetrics]]:
    """The trained model and the metrics of its epochs: the head by itself first, where the recipe says so, then all.

    The head's own epochs cost so little that they have no checkpoints; a run that goes on makes them again.
    """
    recipe, model = fitting.recipe, fitting.model()
    train, val = fitting.examples("train", augment=recipe.augment), fitting.examples("val", augment=False)
    if recipe.head in CLOSED_FORM:
        return model, _solved(fitting, model, on_epoch)
    earlier = _head_stage(fitting, progress, on_epoch) if recipe.head_epochs else []

    def on_later_epoch(history: Sequence[EpochMetrics]) -> None:
        on_epoch([*earlier, *_after(earlier, history)])

    growth = fitting.growth(train)
    history = fit(
        model,
        train,
        val,
        recipe,
        progress,
        on_epoch=on_later_epoch,
        checkpoints=checkpoints,
        growth=growth,
        processes=fitting.processes,
    )
    return model, [*earlier, *_after(earlier, history)]


def _head_stage(fitting: Fitting, progress: Progress, on_epoch: OnEpoch) -> list[EpochMetrics]:
    """Train the head alone on what it reads of each image, which is computed once."""
    recipe = fitting.recipe.model_copy(
        update={"epochs": fitting.recipe.head_epochs, "cutmix": 0.0, "early_stopping": 0}
    )
    model = head_model(fitting.prepared.cut, fitting.objective)
    train, val = fitting.head_examples("train"), fitting.head_examples("val")
    return fit(model, train, val, recipe, progress, on_epoch=on_epoch, processes=fitting.processes)


def _after(earlier: Sequence[EpochMetrics], history: Sequence[EpochMetrics]) -> list[EpochMetrics]:
    return [metrics.model_copy(update={"epoch": metrics.epoch + len(earlier)}) for metrics in history]


def _solved(fitting: Fitting, model: Model, on_epoch: OnEpoch) -> list[EpochMetrics]:
    """Put the solution into the head; the one line of metrics has no learning rate."""
    start = time.perf_counter()
    cut = fitting.prepared.cut
    solved = head_model(cut, fitting.objective)  # refuses what is no linear head
    train, val = fitting.head_examples("train"), fitting.head_examples("val")
    solution = _solution(fitting, train)
    with torch.no_grad():
        cut.module.get_parameter(f"{cut.head}.weight").copy_(solution.weight)
        cut.module.get_parameter(f"{cut.head}.bias").copy_(solution.bias)
    (train_loss, train_accuracy), (val_loss, val_accuracy) = (
        fitting.objective.standing(predict_logits(solved, side), side.labels) for side in (train, val)
    )
    metrics = EpochMetrics(
        epoch=1,
        learning_rate=0.0,
        train_loss=train_loss,
        train_accuracy=train_accuracy,
        val_loss=val_loss,
        val_accuracy=val_accuracy,
        seconds=time.perf_counter() - start,
    )
    on_epoch([metrics])
    return [metrics]


def _solution(fitting: Fitting, train: HeadExamples) -> LinearHead:
    classes = len(fitting.task.names)
    if fitting.recipe.head == "logistic":
        from convlens.transfer.logistic import logistic  # scikit-learn's models take a second to load

        return logistic(train.inputs, train.labels, classes, fitting.recipe.weight_decay)
    if isinstance(fitting.objective, L2):
        return ridge(train.inputs, train.labels).head
    return ridge_classifier(train.inputs, train.labels, classes)


def predictions_for(fitting: Fitting, model: Model, side: Side, calibration: Calibration | None) -> Predictions:
    """How well the trained model does on one side, with that calibration."""
    examples = fitting.examples(side, augment=False)
    logits = predict_logits(model, examples, fitting.processes)
    task = fitting.task.calibrated(calibration)
    return Predictions(
        side=side,
        images=fitting.manifest.side(side),
        answers=task.answers(logits),
        evaluation=task.evaluate(logits, examples.labels),
    )


class _MetricsLog:
    """Writes metrics.jsonl of the unfinished run, a line per epoch, as they come: to be looked at while it trains."""

    def __init__(self, directory: RunDirectory) -> None:
        self._path = directory.unfinished / METRICS_FILE
        self._lines = 0

    def __call__(self, history: Sequence[EpochMetrics]) -> None:
        with disk_errors_named(self._path), self._path.open("a" if self._lines else "w") as file:
            file.writelines(f"{metrics.model_dump_json()}\n" for metrics in history[self._lines :])
        self._lines = len(history)


def _identity(image: ImageFile) -> tuple[str, str]:
    return image.sha256, text_of(image.labels)
