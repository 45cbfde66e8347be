"""Models that are asked with the bytes of image files."""

import abc
import functools
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from convlens.core.errors import IntegrityError, MachineError, UsageError
from convlens.core.kinds.kind import ranked, text_of
from convlens.core.preprocessing import Preprocessing
from convlens.core.served import ServedModel
from convlens.core.settings import setting
from convlens.data.batches import normalized
from convlens.data.decode import BadImage, Opened, Pixels, crop_of_image, opened_for
from convlens.explanation.attribution import class_activation
from convlens.explanation.images import shown_image
from convlens.exports.compiled import can_compile, compiled
from convlens.exports.file import Runner
from convlens.exports.formats import is_exported, opened
from convlens.exports.proof import task_of_card
from convlens.graph.capture import capture
from convlens.graph.graph import Graph
from convlens.pipeline.trained import load_trained
from convlens.service.messages import HeatMap, Outcome, Prediction, Refused, Runtime, Setup
from convlens.training.task import Task
from convlens.training.tasks import task_of
from convlens.transfer.precision import computes_in_bfloat16, number_format
from convlens.transfer.prefix import FastPrefix

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
        return ExportedModel(opened(file, trust=setup.trust))
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
        rows = iter(self._answers([pixels for pixels, _ in good]).tolist() if good else ())
        return [one if isinstance(one, Refused) else self._prediction(next(rows), one[1]) for one in decoded]

    @abc.abstractmethod
    def explain(self, image: bytes, target: str | None) -> Outcome:
        """Why it says what it says of the image."""

    @abc.abstractmethod
    def _answers(self, images: Sequence[Pixels]) -> Tensor:
        """The answers of shape (N, outputs) to what `_shown` gave."""

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

    def _prediction(self, row: Sequence[float], remark: str | None) -> Prediction:
        return Prediction(
            predicted=text_of(self._task.labels(row)),
            probabilities=dict(ranked(self._task.probabilities(row))),
            numbers=self._task.numbers(row),
            remark=remark,
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
            return compiled(self._bundle, self._network)
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
        return FastPrefix(graph, number_format(self._precision))

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

    def _answers(self, images: Sequence[Pixels]) -> Tensor:
        inputs = normalized(torch.from_numpy(np.stack(images)), self._preprocessing)
        if self._compiled:
            return self._compiled(inputs.contiguous())
        assert self._torch is not None
        (outputs,) = self._torch(inputs)
        return self._task.answers(outputs.float())


class ExportedModel(Model):
    """An exported file in its runtime."""

    def __init__(self, runner: Runner) -> None:
        super().__init__()
        card = runner.card
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

    def _answers(self, images: Sequence[Pixels]) -> Tensor:
        pixels = torch.from_numpy(np.stack(images))
        return self._runner(pixels if self._one_by_one else normalized(pixels, self._preprocessing).contiguous())
