"""Regression: numbers, learned by their squared error."""

import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from typing import Self

import torch
from torch import Tensor

from convlens.core.bundle import Scale
from convlens.core.errors import DataError
from convlens.core.kinds.kind import Labels, text_of
from convlens.core.kinds.registry import KINDS
from convlens.core.kinds.regression import RegressionEvaluation
from convlens.core.run import Mistake
from convlens.core.settings import setting
from convlens.training.number_metrics import evaluate_numbers
from convlens.training.objective import L2
from convlens.training.recipe import Recipe
from convlens.training.task import Task


@dataclasses.dataclass(frozen=True)
class Regression(Task):
    """One number or several, free of their mean and spread over the training images: float32, (N, numbers)."""

    kind = KINDS["regression"]
    least_clip = 1.0
    explained = "{}, in standard deviations of the training images"
    scale: Scale

    @classmethod
    def measured(cls, names: Sequence[str], labels: Iterable[Labels]) -> Self:
        """The task whose scale is that of these training images. Raises DataError where a number never changes."""
        return cls(tuple(names), _scale(names, labels, "training"))

    @classmethod
    def stored(cls, names: Sequence[str], scale: Scale | None) -> Self:
        """The task of a bundle, which must hold the scale."""
        if scale is None:
            raise DataError("numbers were learned, and the file does not hold their scale. Train the run again.")
        return cls(tuple(names), scale)

    @property
    def kept_scale(self) -> Scale:
        """Mean and spread."""
        return self.scale

    @classmethod
    def unfit(cls, recipe: Recipe) -> Iterator[str]:
        """There are no rare numbers, nor labels to be smoothed."""
        if recipe.head == "logistic":
            yield "head"
        if recipe.class_weights:
            yield "class_weights"
        if recipe.label_smoothing:
            yield "label_smoothing"

    def encoded(self, labels: Iterable[Labels]) -> Tensor:
        """The numbers, less the mean, over the spread."""
        return ((_numbers(labels, len(self.names)) - self._mean) / self._spread).float()

    def objective(self, weighted: Tensor | None = None) -> L2:
        """Without weights: there are no rare classes."""
        return L2()

    def answers(self, outputs: Tensor) -> Tensor:
        """The numbers, float64."""
        return outputs.double() * self._spread + self._mean

    def labels(self, answer: Sequence[float]) -> Labels:
        """The numbers with six digits."""
        return tuple(f"{number:.6g}" for number in answer)

    def evaluate(self, outputs: Tensor, targets: Tensor) -> RegressionEvaluation:
        """Errors in the numbers' own units, and R²."""
        loss = self.objective().standing(outputs, targets).loss
        return evaluate_numbers(self.answers(outputs), self.answers(targets), self.names, loss)

    def scores(self, outputs: Tensor, targets: Tensor, validated: Sequence[Labels]) -> Tensor:
        """The squared error in variances of the validated images, mean over the numbers.

        Its mean over all images of a single validation side is 1 - R². A variance of each run by itself would make
        runs with few images, which may be alike by chance, count more than others.
        """
        spread = torch.tensor(_scale(self.names, validated, "validation").spread, dtype=torch.float64)
        return ((outputs.double() - targets) * self._spread / spread).square().mean(1)

    @classmethod
    def refuse_unmeasurable(cls, names: Sequence[str], validated: Sequence[Labels]) -> None:
        """A number that never changes has no variance."""
        _scale(names, validated, "validation")

    def wrongness(self, answers: Tensor, targets: Tensor) -> Tensor:
        """The squared error in variances, summed over the numbers."""
        return ((answers - self.answers(targets)) / self._spread).square().sum(1)

    def chosen(self, outputs: Tensor) -> int:
        """The first number: none is likelier than others."""
        return 0

    def mistaken(self, mistake: Mistake) -> str:
        """The number that is farthest off, by its spread."""
        both = zip(self.kind.labels_in(mistake.true), self.kind.labels_in(mistake.predicted), strict=True)
        errors = [abs(float(true) - float(predicted)) for true, predicted in both]
        spreads = self.scale.spread
        return self.names[max(range(len(errors)), key=lambda place: errors[place] / spreads[place])]

    def shown(self, labels: Labels) -> str:
        """With six digits, as what is predicted."""
        return text_of(self.labels([float(number) for number in labels]))

    def probabilities(self, answer: Sequence[float]) -> dict[str, float]:
        """None."""
        return {}

    def numbers(self, answer: Sequence[float]) -> dict[str, float]:
        """The answers by name."""
        return dict(zip(self.names, answer, strict=True))

    def columns(self) -> list[str]:
        """A column for the true number and one for the predicted one, each."""
        return [f"{which} {name}" for name in self.names for which in ("true", "predicted")]

    def cells(self, labels: Labels, answer: Sequence[float]) -> list[str]:
        """With six digits."""
        pairs = zip(labels, answer, strict=True)
        return [cell for true, predicted in pairs for cell in (f"{float(true):.6g}", f"{predicted:.6g}")]

    @property
    def _mean(self) -> Tensor:
        return torch.tensor(self.scale.mean, dtype=torch.float64)

    @property
    def _spread(self) -> Tensor:
        return torch.tensor(self.scale.spread, dtype=torch.float64)


def _scale(names: Sequence[str], labels: Iterable[Labels], side: str) -> Scale:
    """Mean and spread of the numbers of a side's images. Raises DataError where a number never changes."""
    numbers = _numbers(labels, len(names))
    mean, spread = numbers.mean(0), numbers.std(0, correction=0)
    for name, width in zip(names, spread.tolist(), strict=True):
        if not 0 < width < float("inf"):
            raise DataError(
                f"the column {name!r} has {'the same number' if width == 0 else 'numbers too large to be squared'} "
                f"in all {len(numbers)} {side} images. Leave it out with {setting('label_columns')}, or add others."
            )
    return Scale(mean=mean.tolist(), spread=spread.tolist())


def _numbers(labels: Iterable[Labels], count: int) -> Tensor:
    """Of shape (N, count), float64."""
    rows = [[float(number) for number in of_image] for of_image in labels]
    return torch.tensor(rows, dtype=torch.float64).view(-1, count)
