"""Detectors: how unlike the training images an image is, by what the network makes of it before its last layer.

All work on vectors of length 1, as Mueller & Hein, Mahalanobis++, 2025, advise: how long vectors are differs between
images of the classes as well.
"""

import abc
from collections.abc import Mapping
from typing import ClassVar, Self

import torch
import torch.nn.functional as F
from torch import Tensor

from convlens.core.trust import DetectorName
from convlens.embeddings.nearest import Nearest, nearest

NEIGHBORS = 5


class Detector(abc.ABC):
    """Scores of images: the higher, the less like the training images."""

    name: ClassVar[DetectorName]

    @classmethod
    @abc.abstractmethod
    def fit(cls, vectors: Tensor, labels: Tensor) -> Self:
        """From the vectors (N, D) of training images, and their class numbers (N,)."""

    @abc.abstractmethod
    def scores(self, vectors: Tensor) -> Tensor:
        """Of images, of shape (N,)."""

    @abc.abstractmethod
    def tensors(self) -> dict[str, Tensor]:
        """What it is made of."""

    @classmethod
    @abc.abstractmethod
    def of(cls, tensors: Mapping[str, Tensor]) -> Self:
        """The detector that is made of these tensors."""


class Neighbors(Detector):
    """One less the mean cosine of the five nearest training images (Sun, Ming, Zhu & Li 2022: the k-th alone)."""

    name = "neighbors"

    def __init__(self, vectors: Tensor) -> None:
        self._vectors = vectors

    @classmethod
    def fit(cls, vectors: Tensor, labels: Tensor) -> Self:
        """All training images."""
        return cls(F.normalize(vectors, dim=1))

    def scores(self, vectors: Tensor) -> Tensor:
        """Between 0 and 2."""
        return 1 - self.nearest(vectors, NEIGHBORS).similarities.mean(1)

    def nearest(self, vectors: Tensor, count: int) -> Nearest:
        """The most similar training images of each image, the nearest first; as many as there are."""
        return nearest(vectors, self._vectors, count)

    def tensors(self) -> dict[str, Tensor]:
        """The training images' vectors."""
        return {"vectors": self._vectors}

    @classmethod
    def of(cls, tensors: Mapping[str, Tensor]) -> Self:
        """From the vectors."""
        return cls(tensors["vectors"])


class ClassMeans(Detector):
    """The Mahalanobis distance to the nearest mean of a class, by one covariance for all classes.

    Lee, Lee, Lee & Shin, A simple unified framework for detecting out-of-distribution samples, 2018; on vectors of
    length 1 as in Mueller & Hein, Mahalanobis++, 2025. The covariance is shrunk, as Ledoit & Wolf, A well-conditioned
    estimator for large-dimensional covariance matrices, 2004.
    """

    name = "means"

    def __init__(self, means: Tensor, factor: Tensor) -> None:
        """Means (classes, D), and the lower triangular factor (D, D) of the covariance."""
        self._means, self._factor = means, factor

    @classmethod
    def fit(cls, vectors: Tensor, labels: Tensor) -> Self:
        """The means of the classes that have images, and the shrunk covariance of what remains."""
        x = F.normalize(vectors, dim=1)
        _, present = torch.unique(labels, return_inverse=True)
        counts = present.bincount()
        means = torch.zeros(len(counts), x.shape[1]).index_add_(0, present, x) / counts[:, None]
        covariance = shrunk_covariance(x - means[present])
        return cls(means, torch.linalg.cholesky(covariance))

    def scores(self, vectors: Tensor) -> Tensor:
        """Squared distances."""
        return torch.cdist(self._whitened(F.normalize(vectors, dim=1)), self._whitened(self._means)).amin(1).square()

    def _whitened(self, x: Tensor) -> Tensor:
        whitened: Tensor = torch.linalg.solve_triangular(self._factor, x.T, upper=False)
        return whitened.T

    def tensors(self) -> dict[str, Tensor]:
        """The means, and the factor of the covariance."""
        return {"means": self._means, "factor": self._factor}

    @classmethod
    def of(cls, tensors: Mapping[str, Tensor]) -> Self:
        """From both."""
        return cls(tensors["means"], tensors["factor"])


DETECTORS: dict[DetectorName, type[Detector]] = {one.name: one for one in (Neighbors, ClassMeans)}


def shrunk_covariance(centered: Tensor) -> Tensor:
    """The covariance (D, D) of centered vectors (N, D), drawn towards a multiple of the identity (Ledoit & Wolf 2004).

    The part of the identity is the one with the least expected squared error, section 3.2 there.
    """
    count, size = centered.shape
    covariance = centered.T @ centered / count
    mean = covariance.diagonal().mean()
    spread = (covariance.square().sum() - size * mean.square()).clamp(min=0)
    noise = (centered.square().sum(1).square().sum() / count - covariance.square().sum()).clamp(min=0) / count
    part = float((noise / spread).clamp(max=1)) if spread > 0 else 1.0
    covariance *= 1 - part
    covariance.diagonal().add_(part * mean + torch.finfo(centered.dtype).eps)
    return covariance


def auroc(known: Tensor, unknown: Tensor) -> float:
    """The chance that a foreign image scores above a known one, ties counted half (Mann & Whitney 1947)."""
    ascending = known.sort().values
    below = torch.searchsorted(ascending, unknown.contiguous())
    below_or_equal = torch.searchsorted(ascending, unknown.contiguous(), right=True)
    return float((below + below_or_equal).double().mean() / (2 * len(known)))
