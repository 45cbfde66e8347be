"""What studies do with networks, all of it by what everyone has: train, evaluate, the graph and its backward pass."""

import copy
import math
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, Unpack

import torch
from torch import Tensor, nn

from convlens.backbones.external import adopt
from convlens.core.preprocessing import Preprocessing
from convlens.core.run import EpochMetrics, RunRecord
from convlens.data.batches import decoded_batches, normalized
from convlens.data.manifest import ImageFile
from convlens.data.scan import scan
from convlens.gradient.backpropagate import backpropagate
from convlens.graph.capture import capture
from convlens.pipeline.changes import RecipeChanges
from convlens.pipeline.trained import load_run
from convlens.report.run_folder import read_epochs
from convlens.studies.bench import Bench
from convlens.tasks.evaluate import evaluate
from convlens.tasks.train import train

_BATCH = 256
_NETWORK = "study:network"
"""The name of whatever network is being trained; a study looks at one at a time."""


class Trained(NamedTuple):
    """A run of a study."""

    folder: Path
    record: RunRecord
    epochs: Sequence[EpochMetrics]

    def error(self, images: Path) -> float:
        """The part of the training images that it gets wrong, evaluated as validation images are."""
        accuracy = evaluate(self.folder, images, side="train").accuracy
        assert accuracy is not None, "classes have one"
        return 1 - accuracy

    @property
    def validation_error(self) -> float:
        """The part of the validation images that it gets wrong."""
        assert self.record.accuracy is not None, "classes have one"
        return 1 - self.record.accuracy

    @property
    def module(self) -> nn.Module:
        """The network with the trained weights."""
        return load_run(self.folder)[1]


def trained_from_scratch(
    network: nn.Module, images: Path, bench: Bench, pixels: int, **recipe: Unpack[RecipeChanges]
) -> Trained:
    """A run of all layers from the weights that the network has, on images of so many pixels a side, in float32.

    All layers have one learning rate; the rest is as in `recipe`.
    """
    changes: RecipeChanges = {
        "freeze": "none",
        "backbone_lr": 1.0,
        "calibrate": "off",
        "precision": "fp32",
        "training_precision": "fp32",
        **recipe,
        "backbone": adopted(network, plain_preprocessing(pixels)),
    }
    return trained(images, bench, **changes)


def changed(recipe: RecipeChanges, **changes: Unpack[RecipeChanges]) -> RecipeChanges:
    """The same settings with some others."""
    return {**recipe, **changes}


def adopted(network: nn.Module, preprocessing: Preprocessing, head: str | None = None) -> str:
    """The name under which `train` knows the network, until another one is adopted."""
    return adopt(network, _NETWORK, head=head, preprocessing=preprocessing)


def trained(images: Path, bench: Bench, **recipe: Unpack[RecipeChanges]) -> Trained:
    """The run of the case that is measured, by `recipe`; one that was broken off goes on from its checkpoint."""
    folder = bench.run()
    record = train(images, out=folder, progress=bench.progress, **recipe)
    return Trained(folder, record, read_epochs(folder))


def plain_preprocessing(size: int) -> Preprocessing:
    """Images of that size, whole, with the means and deviations of ImageNet."""
    return Preprocessing(size=size, resize=size)


def minibatch(images: Path, size: int, count: int) -> tuple[Tensor, Tensor]:
    """Input (count, 3, size, size) and class numbers of some training images, evenly over the folder."""
    manifest = scan(images)
    side = [image for image in manifest.images if image.side == "train"]
    inputs, images_read = inputs_of(side[:: max(1, len(side) // count)][:count], size)
    return inputs, torch.tensor([manifest.classes.index(image.labels[0]) for image in images_read])


def inputs_of(images: Sequence[ImageFile], size: int) -> tuple[Tensor, list[ImageFile]]:
    """The input (N, 3, size, size) of those images that can be decoded, and which they are."""
    preprocessing = plain_preprocessing(size)
    batches = [*decoded_batches(images, preprocessing, _BATCH)]
    inputs = torch.cat([normalized(batch.pixels, preprocessing) for batch in batches])
    return inputs, [image for batch in batches for image in batch.images]


class Loss(nn.Module):
    """The mean cross-entropy of a minibatch, in nats."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor, labels: Tensor) -> Tensor:
        """One number, of images (N, 3, H, W) and class numbers (N,)."""
        return nn.functional.cross_entropy(self.network(images), labels)


class GradientProbe:
    """Sizes of the gradient in networks of one structure, which is captured once.

    In training mode, where batch normalization goes by the minibatch; the network that is given is left as it is.
    """

    def __init__(self, network: nn.Module, batch: tuple[Tensor, Tensor]) -> None:
        self._network = copy.deepcopy(network).train()
        self._batch = batch
        self._graph = capture(Loss(self._network), *(part[:2] for part in batch), compare=False)

    def sizes(self, trained: nn.Module | None = None) -> list[float]:
        """The root mean square of the loss's gradient at the output of each convolution, from the first to the last.

        With the weights of `trained`, by default with those of the network that was given.
        """
        if trained is not None:
            self._network.load_state_dict(trained.state_dict())
        found = backpropagate(self._graph, *self._batch, keep=True)
        convolutions = [node for node in self._graph.operators if node.operator == "aten.conv2d.default"]
        return [rms(found.upstream(node)) for node in convolutions]


def rms(tensor: object) -> float:
    """The root of the mean square."""
    assert isinstance(tensor, Tensor)
    return float(tensor.norm()) / math.sqrt(tensor.numel())
