"""The outcome of one training among many."""

import dataclasses
from collections.abc import Sequence
from typing import Self

from torch import Tensor

from convlens.core.kinds.kind import Labels
from convlens.core.run import EpochMetrics
from convlens.pipeline.fit import Fitting


@dataclasses.dataclass(frozen=True, kw_only=True)
class Outcome:
    """How one training went, and how it did in the end on each of the validation images, by their hashes."""

    history: list[EpochMetrics]
    scores: dict[str, float]
    """As the task's `kind.measure` counts."""
    seconds: float
    """Of training; of several heads that trained at once, an equal part for each."""
    trained_parameters: int

    @classmethod
    def of(
        cls,
        fitting: Fitting,
        outputs: Tensor,
        targets: Tensor,
        *,
        validated: Sequence[Labels],
        history: list[EpochMetrics],
        seconds: float,
        trained_parameters: int,
    ) -> Self:
        """From the outputs of the validation images, of shape (N, outputs), and what they are compared with.

        `validated` are the labels of all images that the comparison validates on.
        """
        scores = fitting.task.scores(outputs, targets, validated).tolist()
        return cls(
            history=history,
            scores={one.sha256: score for one, score in zip(fitting.manifest.side("val"), scores, strict=True)},
            seconds=seconds,
            trained_parameters=trained_parameters,
        )

    @property
    def mean_score(self) -> float:
        """Over the validation images."""
        return sum(self.scores.values()) / len(self.scores)
