"""The outcome of one training among many."""

import dataclasses
from typing import Self

from torch import Tensor

from convlens.core.run import EpochMetrics
from convlens.data.manifest import Manifest


@dataclasses.dataclass(frozen=True, kw_only=True)
class Outcome:
    """How one training went, and which of the validation images it classified rightly in the end, by their hashes."""

    history: list[EpochMetrics]
    hits: dict[str, bool]
    seconds: float
    """Of training; of several heads that trained at once, an equal part for each."""
    trained_parameters: int

    @classmethod
    def of(
        cls,
        manifest: Manifest,
        logits: Tensor,
        labels: Tensor,
        *,
        history: list[EpochMetrics],
        seconds: float,
        trained_parameters: int,
    ) -> Self:
        """From the logits (N, classes) of the manifest's validation images, and their class numbers (N,)."""
        right = (logits.argmax(1) == labels).tolist()
        hits = {one.sha256: bool(hit) for one, hit in zip(manifest.side("val"), right, strict=True)}
        return cls(history=history, hits=hits, seconds=seconds, trained_parameters=trained_parameters)

    @property
    def accuracy(self) -> float:
        """On the validation images."""
        return sum(self.hits.values()) / len(self.hits)
