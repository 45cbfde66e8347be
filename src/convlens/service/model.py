"""Models that are asked with the bytes of image files."""

import abc
import functools
import itertools
import os
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Literal

import numpy as np
import torch

from convlens.core.cache_layout import STORE
from convlens.core.errors import IntegrityError, MachineError, UsageError
from convlens.core.files import cache_folder
from convlens.core.kinds.kind import ranked, text_of
from convlens.core.prediction import SimilarImage
from convlens.core.preprocessing import Preprocessing
from convlens.core.served import ServedModel
from convlens.core.settings import setting
from convlens.core.trust import REJECT
from convlens.data.batches import normalized
from convlens.data.decode import BadImage, Opened, Pixels, crop_of_image, opened_for
from convlens.data.image_metadata import ImageMetadataStore
from convlens.explanation.attribution import class_activation
from convlens.explanation.images import shown_image
from convlens.exports.compiled import can_compile, compiled
from convlens.exports.file import Answered, Runner
from convlens.exports.formats import is_exported, opened
from convlens.exports.proof import task_of_card
from convlens.graph.capture import capture
from convlens.graph.graph import Graph
from convlens.pipeline.judgment import COVERAGE, judge_of, judgments
from convlens.pipeline.trained import load_trained
from convlens.report.formatting import jpeg_uri
from convlens.service.messages import HeatMap, Judged, Outcome, Prediction, Refused, Runtime, Setup, Similar
from convlens.training.task import Task
from convlens.training.tasks import task_of
from convlens.transfer.networks import with_head_inputs
from convlens.transfer.pooling import pooled
from convlens.transfer.precision import computes_in_bfloat16, number_format
from convlens.transfer.prefix import FastPrefix
from convlens.zoo import card

_LONGEST_SIDE = 10_000
"""Pixels: whole exported models resize by matrices as long as the image."""


def loaded_model(setup: Setup) -> "Model":
    """The model of a setup. Raises what `load_trained` and `opened` raise."""
    file = Path(setup.named).expanduser()
    if is_exported(file):
        if setup.weights is not None:
            raise UsageError(f"{file} is an exported file and has its own weights; leave others out.")
        if setup.runtime != "auto":
            raise UsageError(
                f"{setting('runtime', setup.runtime)}: {file} is an exported file, which has its own; leave it out."
            )
        return ExportedModel(opened(file, trust=setup.trust), setup.reject)
    return TrainedModel(setup)


class Model(abc.ABC):
    """A model that is asked with the bytes of image files."""

    description: ServedModel
    notes: tuple[str, ...] = ()
    """For whoever has started it."""
    _task: Task
    _preprocessing: Preprocessing
    _one_by_one = False
    """Whether images are kept whole, so that only one at a time may be in memory."""

    def __init__(self) -> None:
        self._decoders = ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="decode")

    def predict(self, images: Sequence[bytes]) -> list[Outcome]:
        """What it says of each image; undecodable ones are refused, and the others are computed together."""
        if self._one_by_one:
            return [outcome for image in images for outcome in self._predicted([image])]
        return self._predicted(images)

    def _predicted(self, images: Sequence[bytes]) -> list[Outcome]:
        decoded = list(self._decoders.map(self._decoded, images))
        good = [one for one in decoded if not isinstance(one, Refused)]
        rows = self._rows(self._answered([pixels for pixels, _ in good])) if good else iter(())
        return [one if isinstance(one, Refused) else self._prediction(*next(rows), one[1]) for one in decoded]

    def _rows(self, answered: Answered) -> Iterator[tuple[list[float], Judged | None]]:
        return zip(answered.answers.tolist(), self._judged(answered), strict=True)

    @abc.abstractmethod
    def explain(self, image: bytes, target: str | None) -> Outcome:
        """Why it says what it says of the image."""

    @abc.abstractmethod
    def _answered(self, images: Sequence[Pixels]) -> Answered:
        """The answers to what `_shown` gave, and what they are judged by."""

    @abc.abstractmethod
    def _judged(self, answered: Answered) -> Iterable[Judged | None]:
        """How far each answer can be trusted; None where that is not known."""

    @abc.abstractmethod
    def _shown(self, image: Opened) -> Pixels:
        """The pixels of an image that the model takes."""

    def _decoded(self, data: bytes) -> tuple[Pixels, str | None] | Refused:
        try:
            image = opened_for(data, self._preprocessing.resize)
        except BadImage as bad:
            return Refused(bad.reason, bad.detail)
        remark = next((detail for _, detail in image.remarks), None)
        return self._shown(image), remark

    def _prediction(self, row: Sequence[float], judged: Judged | None, remark: str | None) -> Prediction:
        return Prediction(
            predicted=text_of(self._task.labels(row)),
            probabilities=dict(ranked(self._task.probabilities(row))),
            numbers=self._task.numbers(row),
            remark=remark,
            judged=judged,
        )


class TrainedModel(Model):
    """A run or a network by name.

    onnxruntime computes in float32; torch in the run's number format, where this machine has instructions for it.
    """

    def __init__(self, setup: Setup) -> None:
        super().__init__()
        self._bundle, self._network = load_trained(setup.named, setup.weights)
        self._network.eval()
        self._task, self._preprocessing = task_of(self._bundle), self._bundle.preprocessing
        self._judge = judge_of(setup.named, self._bundle)
        self._reject = self._accepted(setup.reject)
        self._shows_training_images = setup.shows_training_images
        self._compiled = self._compiled_as(setup.runtime)
        self._torch = None if self._compiled else self._fast_torch()
        self.description = ServedModel(
            network=self._bundle.backbone,
            task=self._bundle.task,
            classes=self._bundle.classes,
            weights_sha256=self._bundle.sha256,
            runtime=self._compiled.runtime if self._compiled else f"torch {torch.__version__}",
            precision="fp32" if self._compiled else self._precision,
            explains=True,
        )

    def _compiled_as(self, runtime: Runtime) -> Runner | None:
        """The network in onnxruntime; None where torch computes it."""
        if runtime == "torch" or (runtime == "auto" and not can_compile()):
            return None
        try:
            return compiled(self._bundle, self._network, card(self._bundle.backbone).head)
        except (MachineError, IntegrityError) as error:
            if runtime == "onnxruntime":
                raise
            self.notes = (f"torch computes, more slowly than onnxruntime would: {error}",)
            return None

    @property
    def _precision(self) -> Literal["fp32", "bf16"]:
        return self._bundle.precision if computes_in_bfloat16("cpu") else "fp32"

    def _fast_torch(self) -> FastPrefix:
        side = self._preprocessing.size
        graph = capture(self._network, torch.zeros(2, 3, side, side), compare=False)
        return FastPrefix(with_head_inputs(graph, card(self._bundle.backbone).head), number_format(self._precision))

    @functools.cached_property
    def _graph_of_one(self) -> Graph:
        """For one image, to explain."""
        side = self._preprocessing.size
        return capture(self._network, torch.zeros(1, 3, side, side), free_batch=False, compare=False)

    def explain(self, image: bytes, target: str | None) -> Outcome:
        """Grad-CAM of the last feature maps, over what the network was shown."""
        decoded = self._decoded(image)
        if isinstance(decoded, Refused):
            return decoded
        names = self.description.classes
        if target is not None and target not in names:
            return Refused("unknown-target", f"{target!r} is none of what the model says: {', '.join(names[:20])}")
        pixels = torch.from_numpy(decoded[0])
        x = normalized(pixels.unsqueeze(0), self._preprocessing).contiguous()
        chosen = self._task.chosen(self._network(x).float()) if target is None else names.index(target)
        heat_map = class_activation(self._graph_of_one, x, chosen)
        if heat_map is None:
            return Refused("unexplained", "this network has no feature maps before its output")
        return HeatMap(names[chosen], shown_image(pixels.permute(2, 0, 1).float() / 255), heat_map)

    def _shown(self, image: Opened) -> Pixels:
        return crop_of_image(image.rgb, self._preprocessing)

    def _answered(self, images: Sequence[Pixels]) -> Answered:
        inputs = normalized(torch.from_numpy(np.stack(images)), self._preprocessing)
        if self._compiled:
            return self._compiled(inputs.contiguous())
        assert self._torch is not None
        outputs, read = self._torch(inputs)
        return Answered(self._task.answers(outputs.float()), pooled(read.float()))

    def _accepted(self, reject: float | None) -> float:
        if self._judge:
            return self._judge.accepted(reject, REJECT)
        if reject is not None:
            raise UsageError(
                f"{setting('reject', f'{reject:.3%}')}: this model has nothing to judge its answers by. That takes a "
                f"run that was trained with {setting('calibrate', 'on')}."
            )
        return REJECT

    def _judged(self, answered: Answered) -> Iterable[Judged | None]:
        if self._judge is None or answered.second is None:
            return itertools.repeat(None, len(answered.answers))
        names = self._task.names
        found = judgments(self._judge, names, answered.answers, answered.second, reject=self._reject, coverage=COVERAGE)
        return [
            Judged(
                p_value=one.p_value,
                rejected=one.rejected,
                possible=tuple(one.possible),
                nearest=tuple(self._similar(image) for image in one.nearest) if self._shows_training_images else (),
            )
            for one in found
        ]

    def _similar(self, image: SimilarImage) -> Similar:
        return Similar(image.file, image.label, round(image.similarity, 4), self._thumbnail(image.sha256))

    @functools.cached_property
    def _images(self) -> ImageMetadataStore:
        """What this machine has stored of images; it is read when it is first needed."""
        return ImageMetadataStore(cache_folder() / STORE)

    @functools.lru_cache(maxsize=4096)  # noqa: B019 - the model lives as long as its process
    def _thumbnail(self, sha256: str) -> str | None:
        if sha256 not in self._images:
            return None
        return jpeg_uri(self._images.thumbnail(sha256))


class ExportedModel(Model):
    """An exported file in its runtime."""

    def __init__(self, runner: Runner, reject: float | None) -> None:
        super().__init__()
        card = runner.card
        if reject is not None and card.reject is None:
            raise UsageError(
                f"{setting('reject', f'{reject:.3%}')}: this file has nothing to judge its answers by. Export a run "
                f"that was trained with {setting('calibrate', 'on')}."
            )
        self._reject = reject or card.reject
        self._runner, self._one_by_one = runner, card.whole
        self._task, self._preprocessing = task_of_card(card), card.preprocessing
        self.description = ServedModel(
            network=card.network,
            task=card.task,
            classes=card.classes,
            weights_sha256=card.weights_sha256,
            runtime=runner.runtime,
            precision=card.precision,
            explains=False,
        )

    def explain(self, image: bytes, target: str | None) -> Outcome:
        """An exported file holds no gradients."""
        return Refused("unexplained", "an exported file holds no gradients; serve the run itself")

    def _decoded(self, data: bytes) -> tuple[Pixels, str | None] | Refused:
        decoded = super()._decoded(data)
        if self._one_by_one and not isinstance(decoded, Refused) and max(decoded[0].shape[:2]) > _LONGEST_SIDE:
            height, width = decoded[0].shape[:2]
            return Refused("too-large", f"{width}x{height} pixels; a side may have {_LONGEST_SIDE} here")
        return decoded

    def _shown(self, image: Opened) -> Pixels:
        return np.array(image.rgb) if self._one_by_one else crop_of_image(image.rgb, self._preprocessing)

    def _answered(self, images: Sequence[Pixels]) -> Answered:
        pixels = torch.from_numpy(np.stack(images))
        return self._runner(pixels if self._one_by_one else normalized(pixels, self._preprocessing).contiguous())

    def _judged(self, answered: Answered) -> Iterable[Judged | None]:
        """By p-values; neither training images nor prediction sets are in a file."""
        if answered.second is None or self._reject is None:
            return itertools.repeat(None, len(answered.answers))
        return [Judged(p_value=p_value, rejected=p_value <= self._reject) for p_value in answered.second.tolist()]
