"""The judge of answers: how unlike the training images an image is, and which classes cannot be excluded."""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from typing import Self

import torch
from torch import Tensor

from convlens.core.errors import DataError, UsageError
from convlens.core.settings import setting
from convlens.core.trust import DetectorName
from convlens.embeddings.nearest import Nearest
from convlens.trust.conformal import prediction_sets, thresholds
from convlens.trust.detectors import DETECTORS, Detector, Neighbors

_STORED = torch.float16
"""Of vectors of length 1: a cosine is then right to 0.001."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Judge:
    """What is kept of a training to judge answers by.

    An image's **p-value** is the part of the training images, held out of training when they were scored, that are as
    unlike the others as it is: (1 + how many score as high) / (1 + how many there are). To reject what has a p-value of
    at most r rejects at most the part r of images like those trained on, whatever their distribution (Bates, Candès,
    Lei, Romano & Sesia, Testing for outliers with conformal p-values, 2023).
    """

    detector: Detector
    known_scores: Tensor
    """Of held-out training images, ascending, of shape (n,)."""
    true_probabilities: Tensor
    """Calibrated, of the true classes of held-out training images, of shape (n,)."""
    labels: Tensor
    """Their class numbers, of shape (n,)."""
    neighbors: Neighbors
    """The training images that are kept."""
    kept_labels: Tensor
    """Their class numbers."""
    files: Sequence[str]
    """Their names."""
    sha256: Sequence[str]
    """Their hashes."""

    def p_values(self, vectors: Tensor) -> Tensor:
        """Of images, from what the head reads of them, (N, D): of shape (N,), float64."""
        below = torch.searchsorted(self.known_scores, self.detector.scores(vectors.float()))
        return (len(self.known_scores) - below + 1).double() / (len(self.known_scores) + 1)

    def nearest(self, vectors: Tensor, count: int) -> Nearest:
        """The training images most like each image, among those that are kept."""
        return self.neighbors.nearest(vectors.float(), count)

    def sets(self, probabilities: Tensor, coverage: float) -> Tensor:
        """Whether each class is in the prediction set of each image, (N, classes), for that part of images covered."""
        cut = thresholds(self.true_probabilities, self.labels, probabilities.shape[1], coverage)
        return prediction_sets(probabilities, cut)

    @property
    def least_rate(self) -> float:
        """The lowest rate of false alarms that so many images can tell."""
        return 1 / (len(self.known_scores) + 1)

    def accepted(self, rate: float | None, usual: float) -> float:
        """The rate of false alarms that was asked for, or the usual one, as far as so many images can tell it.

        Raises UsageError for a rate that is none, or lower than that.
        """
        if rate is None:
            return max(usual, self.least_rate)
        if not self.least_rate <= rate < 1:
            raise UsageError(
                f"{setting('reject', f'{rate:.3%}')}: with {len(self.known_scores)} held-out training images the rate "
                f"of false alarms can be from {self.least_rate:.2%} to below 100%. Give one in this range."
            )
        return rate

    def tensors(self) -> dict[str, Tensor]:
        """What it is made of, as it is stored."""
        own = {} if self.detector.name == "neighbors" else self.detector.tensors()
        return {
            **{f"detector.{name}": tensor for name, tensor in own.items()},
            "vectors": self.neighbors.tensors()["vectors"].to(_STORED),
            "known_scores": self.known_scores,
            "true_probabilities": self.true_probabilities,
            "labels": self.labels,
            "kept_labels": self.kept_labels,
        }

    def metadata(self) -> dict[str, str]:
        """What is stored beside the tensors."""
        return {
            "detector": self.detector.name,
            "files": json.dumps(list(self.files)),
            "sha256": json.dumps(list(self.sha256)),
        }

    @classmethod
    def of(cls, tensors: Mapping[str, Tensor], metadata: Mapping[str, str], file: str) -> Self:
        """From what is stored. Raises DataError, with the name of the `file`, where something lacks."""
        try:
            name: DetectorName = metadata["detector"]  # type: ignore[assignment]
            neighbors = Neighbors(tensors["vectors"].float())
            own = {key.removeprefix("detector."): one for key, one in tensors.items() if key.startswith("detector.")}
            return cls(
                detector=neighbors if name == "neighbors" else DETECTORS[name].of(own),
                known_scores=tensors["known_scores"],
                true_probabilities=tensors["true_probabilities"],
                labels=tensors["labels"],
                neighbors=neighbors,
                kept_labels=tensors["kept_labels"],
                files=json.loads(metadata["files"]),
                sha256=json.loads(metadata["sha256"]),
            )
        except (KeyError, ValueError) as error:
            raise DataError(f"{file} is damaged: {error}. Train the run again.") from error
