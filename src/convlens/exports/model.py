"""The whole model, from decoded pixels to answers, as one module that a compiler can trace."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from convlens.core.exported import OutputName
from convlens.core.preprocessing import Preprocessing
from convlens.exports.resize import resized_center
from convlens.training.task import Task
from convlens.transfer.pooling import pooled
from convlens.trust.detectors import NEIGHBORS, ClassMeans, Detector, Neighbors
from convlens.trust.judge import Judge


class Vectors(nn.Module):
    """Gives what the last layer reads as it is, of shape (N, D)."""

    name: OutputName = "vectors"

    def forward(self, vectors: Tensor) -> Tensor:
        """The vectors."""
        return vectors


class PValues(nn.Module):
    """Gives the part of the training images that are as unlike the others as each image is, of shape (N,)."""

    name: OutputName = "p_values"
    known_scores: Tensor

    def __init__(self, judge: Judge) -> None:
        super().__init__()
        self.register_buffer("known_scores", judge.known_scores)
        self._scores = _scores_of(judge.detector)

    def forward(self, vectors: Tensor) -> Tensor:
        """As `Judge.p_values`."""
        scores: Tensor = self._scores(F.normalize(vectors, dim=1))
        as_high = (self.known_scores[None, :] >= scores[:, None]).to(torch.float32).sum(1)
        return (as_high + 1) / (len(self.known_scores) + 1)


def _scores_of(detector: Detector) -> nn.Module:
    if isinstance(detector, Neighbors):
        return _NeighborScores(detector)
    assert isinstance(detector, ClassMeans)
    return _MeanScores(detector)


class _NeighborScores(nn.Module):
    known: Tensor

    def __init__(self, detector: Neighbors) -> None:
        super().__init__()
        self.register_buffer("known", detector.tensors()["vectors"].T.contiguous())

    def forward(self, x: Tensor) -> Tensor:
        nearest = min(NEIGHBORS, self.known.shape[1])
        return 1 - (x @ self.known).topk(nearest).values.mean(1)


class _MeanScores(nn.Module):
    means: Tensor
    whitening: Tensor

    def __init__(self, detector: ClassMeans) -> None:
        super().__init__()
        tensors = detector.tensors()
        whitening = torch.linalg.inv(tensors["factor"].double()).T.float()  # no runtime solves triangular systems
        self.register_buffer("whitening", whitening)
        self.register_buffer("means", tensors["means"] @ whitening)

    def forward(self, x: Tensor) -> Tensor:
        return (x @ self.whitening)[:, None, :].sub(self.means[None]).square().sum(2).amin(1)


class BareModel(nn.Module):
    """The network and what its outputs mean, for programs with their own front end.

    Takes what `preprocessing` makes of images, of shape (N, 3, size, size), float32; gives float32 of shape
    (N, classes): probabilities of classes or labels, or numbers in their own units. With a `second`, gives a second
    output: what that makes of what the layer `head` reads.
    """

    def __init__(self, network: nn.Module, task: Task, head: str = "", second: Vectors | PValues | None = None) -> None:
        super().__init__()
        self.network, self.second = network, second
        self._task, self._head = task, head

    @property
    def outputs(self) -> list[OutputName]:
        """What it gives."""
        return ["answers", self.second.name] if self.second else ["answers"]

    def forward(self, inputs: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        """The answers, and the second output."""
        if self.second is None:
            return self._task.answers(self.network(inputs)).to(torch.float32)
        read: list[Tensor] = []
        hook = self.network.get_submodule(self._head).register_forward_pre_hook(lambda _, given: read.append(given[0]))
        try:
            answers = self._task.answers(self.network(inputs)).to(torch.float32)
        finally:
            hook.remove()
        return answers, self.second(pooled(read[0]))


class WholeModel(nn.Module):
    """Resize and crop, normalization and a bare model: the run as one function of pixels.

    Takes images of one size, any size, of shape (N, H, W, 3), uint8, RGB; gives what the bare model does.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, bare: BareModel, preprocessing: Preprocessing) -> None:
        super().__init__()
        self.bare = bare
        self.register_buffer("mean", torch.tensor(preprocessing.mean).view(3, 1, 1))
        self.register_buffer("std", torch.tensor(preprocessing.std).view(3, 1, 1))
        self._preprocessing = preprocessing

    def forward(self, pixels: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        """The answers; the same arithmetic as `data.batches.normalized`."""
        crop = resized_center(pixels, self._preprocessing).to(torch.float32)
        given: Tensor | tuple[Tensor, Tensor] = self.bare(crop * (1 / (255 * self.std)) - self.mean / self.std)
        return given
