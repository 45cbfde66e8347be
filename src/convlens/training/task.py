"""A task: what is learned of an image, what the network's outputs mean then, and the loss that fits."""

import abc
import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from typing import ClassVar, Self

from torch import Tensor

from convlens.core.bundle import Scale
from convlens.core.kinds.evaluation import AnyEvaluation
from convlens.core.kinds.kind import Kind, Labels, text_of
from convlens.core.run import Mistake
from convlens.core.trust import Calibration
from convlens.training.objective import Objective
from convlens.training.recipe import Recipe


@dataclasses.dataclass(frozen=True)
class Task(abc.ABC):
    """What is learned of an image; `names` are those of the network's outputs."""

    kind: ClassVar[Kind]
    least_clip: ClassVar[float] = 0.0
    """The limit on the gradient's norm where a recipe has none; 0 for no limit."""
    needs_linear_outputs: ClassVar[bool] = True
    """Whether outputs must have either sign, so that no ReLU may come after the last layer."""
    explained: ClassVar[str] = "the score of {}"
    """What an output is, for a page that explains it by name."""
    names: tuple[str, ...]

    @classmethod
    def measured(cls, names: Sequence[str], labels: Iterable[Labels]) -> Self:
        """The task of these training images."""
        return cls(tuple(names))

    @classmethod
    def stored(cls, names: Sequence[str], scale: Scale | None) -> Self:
        """The task of a bundle. Raises DataError where it lacks a scale that is needed."""
        return cls(tuple(names))

    def calibrated(self, calibration: Calibration | None) -> Self:
        """The task whose answers are corrected so, where they are probabilities of classes."""
        return self

    @property
    def kept_scale(self) -> Scale | None:
        """What a bundle keeps of the training images' numbers."""
        return None

    @classmethod
    def unfit(cls, recipe: Recipe) -> Iterator[str]:
        """Fields of the recipe that ask for what makes no sense for the task."""
        return iter(())

    @abc.abstractmethod
    def encoded(self, labels: Iterable[Labels]) -> Tensor:
        """What outputs are compared with, one row for each image."""

    @abc.abstractmethod
    def objective(self, weighted: Tensor | None = None) -> Objective:
        """The loss. With the encoded labels of all training images, rare ones count as much as frequent ones."""

    @abc.abstractmethod
    def answers(self, outputs: Tensor) -> Tensor:
        """What a person is shown, of the shape of the outputs: probabilities, or numbers in their own units."""

    @abc.abstractmethod
    def labels(self, answer: Sequence[float]) -> Labels:
        """The labels that one row of answers comes to."""

    @abc.abstractmethod
    def evaluate(self, outputs: Tensor, targets: Tensor) -> AnyEvaluation:
        """How well outputs do."""

    @abc.abstractmethod
    def scores(self, outputs: Tensor, targets: Tensor, validated: Sequence[Labels]) -> Tensor:
        """What recipes are compared by, `kind.measure` of each image: of shape (N,), float64.

        `validated` are the labels of all images that the comparison validates on, in whichever run.
        """

    @classmethod
    def refuse_unmeasurable(cls, names: Sequence[str], validated: Sequence[Labels]) -> None:
        """Raises DataError where images with these labels cannot be scored."""
        return

    @abc.abstractmethod
    def wrongness(self, answers: Tensor, targets: Tensor) -> Tensor:
        """How wrong each row of answers is, of shape (N,), float64; 0 for what is right."""

    def shown(self, labels: Labels) -> str:
        """True labels as a person is shown them."""
        return text_of(labels)

    def chosen(self, outputs: Tensor) -> int:
        """The output of (1, N) that is explained where nobody asks for one: the likeliest."""
        return int(outputs[0].argmax())

    @abc.abstractmethod
    def mistaken(self, mistake: Mistake) -> str:
        """The name of the output that explains a mistake."""

    def probabilities(self, answer: Sequence[float]) -> dict[str, float]:
        """The answers by name, where they are probabilities."""
        return dict(zip(self.names, answer, strict=True))

    def numbers(self, answer: Sequence[float]) -> dict[str, float]:
        """The answers by name, where they are numbers."""
        return {}

    def columns(self) -> list[str]:
        """The columns of predictions.csv after file and side."""
        return ["true", "predicted", *(f"p({name})" for name in self.names)]

    def cells(self, labels: Labels, answer: Sequence[float]) -> list[str]:
        """Its cells for one image."""
        return [text_of(labels), text_of(self.labels(answer)), *(f"{p:.6f}" for p in answer)]
