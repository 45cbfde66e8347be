"""The records of a search: recipes that cross-validation on the training images compared with each other."""

from collections.abc import Mapping

from convlens.core.records import Record
from convlens.core.task import TaskName


def tried_name(backbone: str, head: str, settings: Mapping[str, float]) -> str:
    """'efficientnet_lite0, ridge'; 'efficientnet_lite0, logistic, weight_decay 0.001'."""
    return ", ".join((backbone, head, *(f"{name} {value:g}" for name, value in settings.items())))


class TriedRecipe(Record):
    """A recipe that was tried, and how it did on the training images that it was not trained on."""

    backbone: str
    head: str
    settings: dict[str, float]
    """How the head is regularized."""
    score: float
    """Mean of the task's measure over all images that were held out: for classes the accuracy."""
    interval: tuple[float, float]
    """95%."""
    loss: float
    """Mean loss on the same images."""
    seconds: float
    """Of all its trainings, on features that were there."""

    @property
    def name(self) -> str:
        """What it is called in tables."""
        return tried_name(self.backbone, self.head, self.settings)


class Search(Record):
    """What was tried, in the order of the trials, and what was chosen."""

    task: TaskName = "classification"
    images: int
    """Training images: those for validation and for testing take no part."""
    folds: int
    """Of the cross-validation; 0 where a class has too few images for folds, and splits are drawn instead."""
    tried: list[TriedRecipe]
    chosen: int
    """Its place in `tried`."""
    left_out: list[str]
    """What the budget left no time for, each with the reason."""
    seconds: float
    """From start to end."""

    @property
    def method(self) -> str:
        """How images were held out."""
        return f"{self.folds}-fold cross-validation" if self.folds else "random splits"
