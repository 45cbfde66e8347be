"""Studies on one set of images, that all of its networks are trained on."""

import dataclasses
from abc import ABC
from typing import Self, Unpack

from torch import nn

from convlens.core.errors import UsageError
from convlens.pipeline.changes import RecipeChanges
from convlens.studies.bench import Bench
from convlens.studies.study import Study
from convlens.studies.training import Trained, trained_from_scratch


@dataclasses.dataclass(frozen=True, kw_only=True)
class ImageStudy(Study, ABC):
    """Up to `images` of each of `classes` to train on, and `validation` to validate on, of the folder.

    Without a folder they are scikit-learn's handwritten digits.
    """

    classes: int = 10
    images: int = 500
    validation: int = 50

    def prepare(self, bench: Bench) -> list[str]:
        """Lay out the images. Raises UsageError for more folders than one, DataError for too few classes."""
        if len(self.folders) > 1:
            raise UsageError(f"the study {self.name} takes one folder of images; leave {self.folders[1]} out.")
        folder = next(iter(self.folders), None)
        chosen = bench.chosen(folder, classes=self.classes, train=self.images, val=self.validation)
        chosen.refuse_fewer(self.name, classes=self.classes)
        chosen.laid_out(bench.images)
        return [chosen.described()]


@dataclasses.dataclass(frozen=True, kw_only=True)
class ScratchStudy(ImageStudy, ABC):
    """Networks for the images of CIFAR, trained from scratch in the same way on images of `size` pixels a side."""

    size: int = 16
    epochs: int = 6
    batch_size: int = 64
    learning_rate: float = 0.1
    augment: bool = False

    @classmethod
    def full(cls) -> Self:
        """The size that was published."""
        return cls(size=32, images=1_000_000, validation=1_000_000, epochs=200, augment=True)

    def from_scratch(self, network: nn.Module, bench: Bench, **recipe: Unpack[RecipeChanges]) -> Trained:
        """The run of a network from the weights that it has; the rest is as in `recipe`."""
        changes: RecipeChanges = {
            "epochs": self.epochs,
            "batch_size": self.batch_size,
            "learning_rate": self.learning_rate,
            "augment": self.augment,
            **recipe,
        }
        return trained_from_scratch(network, bench.images, bench, self.size, **changes)
