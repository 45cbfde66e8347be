"""Fit: from a prepared network and the features of pictures to a trained one, and how well it does."""

import dataclasses
import hashlib
import json
import shlex
from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor

from convlens.core.errors import UsageError
from convlens.core.files import disk_errors_named
from convlens.core.progress import Progress, Say
from convlens.core.run import METRICS_FILE, EpochMetrics
from convlens.data.augment import Augmentation
from convlens.data.batches import centred
from convlens.data.manifest import Manifest, Picture, Side
from convlens.graph.run import run
from convlens.tasks.place import Place
from convlens.tasks.prepare import Prepared
from convlens.tasks.run_folder import Judged
from convlens.training.checkpoint import Checkpoints
from convlens.training.growth import Growth
from convlens.training.learner import Model
from convlens.training.loop import fit, predict_logits
from convlens.training.metrics import evaluate
from convlens.training.recipe import Recipe
from convlens.transfer.examples import FeatureExamples, PixelExamples, class_numbers
from convlens.transfer.prefix import PrefixPass
from convlens.zoo import card


@dataclasses.dataclass(frozen=True, kw_only=True)
class Fitting:
    """Everything that fitting starts from."""

    prepared: Prepared
    features: PrefixPass
    manifest: Manifest
    recipe: Recipe

    def model(self) -> Model:
        """What is trained."""
        cut = self.prepared.cut
        convolves = any(node.operator.startswith("aten.conv") for node in cut.training.suffix.operators)
        return Model(
            train_forward=self._train_forward,
            eval_forward=partial(run, cut.evaluation.suffix),
            parameters=cut.trained_parameters,
            buffers=cut.changing_buffers,
            auxiliary_weight=self._auxiliary_weight(),
            autocast=torch.bfloat16 if self.recipe.precision == "bf16" and convolves else None,
        )

    def examples(self, side: Side, *, augment: bool) -> FeatureExamples | PixelExamples:
        """The pictures of one side: their features, or their pixels where nothing is frozen."""
        pictures = self.manifest.side(side)
        rows = self.features.table.rows(picture.sha256 for picture in pictures)
        labels = class_numbers((picture.label for picture in pictures), self.manifest.classes)
        files = [picture.file for picture in pictures]
        if self.prepared.cut.prefix.operators:
            return FeatureExamples(rows, labels, files)
        transform = self._augmentation() if augment else centred
        return PixelExamples(rows, labels, files, self.prepared.preprocessing, transform)

    def growth(self, examples: FeatureExamples | PixelExamples) -> Growth | None:
        """How the training examples grow, if they do. Raises UsageError where a part is computed once per picture."""
        if self.recipe.progressive == 1:
            return None
        if isinstance(examples, FeatureExamples):
            raise UsageError(
                f"--progressive {self.recipe.progressive:g}: {self.recipe.backbone} begins with layers that train "
                "nothing and are computed once, for one size of pictures. Leave the option out."
            )
        return Growth(sides=self.prepared.sides, examples=examples.at)

    def key(self) -> str:
        """SHA-256 of all that decides the outcome: a checkpoint with another key belongs to another training."""
        sides = [[_identity(picture) for picture in self.manifest.side(side)] for side in ("train", "val")]
        parts = [self.recipe.model_dump(), self.manifest.classes, sides, torch.__version__]
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()

    def _train_forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        graph = self.prepared.smaller.get(inputs[0].shape[-1], self.prepared.cut.training.suffix)
        return run(graph, *inputs)

    def _auxiliary_weight(self) -> float:
        """0 where something is frozen: auxiliary heads that stay random have nothing to teach."""
        weight = card(self.recipe.backbone).auxiliary_weight
        return weight if weight and self.recipe.freeze == "none" else 0.0

    def _augmentation(self) -> Augmentation:
        recipe = self.recipe
        return Augmentation(crop_area=recipe.crop_area, colour=recipe.colour, erasing=recipe.erasing)


def fitted(
    fitting: Fitting, place: Place, checkpoint_seconds: float, progress: Progress, say: Say
) -> tuple[Model, list[EpochMetrics]]:
    """The trained model and the metrics of its epochs; goes on from the newest checkpoint of the place."""
    model = fitting.model()
    train = fitting.examples("train", augment=fitting.recipe.augment)
    checkpoints = Checkpoints(place.checkpoints, fitting.key(), seconds=checkpoint_seconds, say=say)
    try:
        history = fit(
            model,
            train,
            fitting.examples("val", augment=False),
            fitting.recipe,
            progress,
            _MetricsLog(place),
            checkpoints,
            fitting.growth(train),
        )
    except KeyboardInterrupt:
        if place.has_checkpoints:
            say(f"to go on later: convlens train --resume {shlex.quote(str(place.target))}")
        raise
    return model, history


def judged(fitting: Fitting, model: Model, side: Side) -> Judged:
    """How well the trained model does on one side."""
    examples = fitting.examples(side, augment=False)
    logits: Tensor = predict_logits(model, examples)
    return Judged(
        side=side,
        pictures=fitting.manifest.side(side),
        probabilities=logits.softmax(1),
        evaluation=evaluate(logits, examples.labels, fitting.manifest.classes),
    )


class _MetricsLog:
    """Writes metrics.jsonl of the unfinished run, a line per epoch, as they come: to be looked at while it trains."""

    def __init__(self, place: Place) -> None:
        self._path = place.unfinished / METRICS_FILE
        self._begun = False

    def __call__(self, history: Sequence[EpochMetrics]) -> None:
        new = history[-1:] if self._begun else history
        with disk_errors_named(self._path), self._path.open("a" if self._begun else "w") as file:
            file.writelines(f"{metrics.model_dump_json()}\n" for metrics in new)
        self._begun = True


def _identity(picture: Picture) -> tuple[str, str]:
    return picture.sha256, picture.label
