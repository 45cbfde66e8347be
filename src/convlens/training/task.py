"""Targets: what is learned of an image, what the network's outputs mean then, and the loss that fits."""

import abc
import dataclasses
from collections.abc import Iterable, Sequence
from typing import ClassVar

import torch
from torch import Tensor

from convlens.core.bundle import Scale
from convlens.core.errors import DataError
from convlens.core.run import AnyEvaluation
from convlens.core.target import TargetKind, joined, parts_of
from convlens.training.label_metrics import evaluate_labels
from convlens.training.metrics import evaluate
from convlens.training.number_metrics import evaluate_numbers
from convlens.training.objective import L2, BinaryCrossEntropy, CategoricalCrossEntropy, Objective


@dataclasses.dataclass(frozen=True)
class Target(abc.ABC):
    """What is learned of an image; `names` are those of the network's outputs."""

    kind: ClassVar[TargetKind]
    names: tuple[str, ...]

    @abc.abstractmethod
    def encoded(self, labels: Iterable[str]) -> Tensor:
        """What outputs are held against, one row for each image's label (see `core.target`)."""

    @abc.abstractmethod
    def objective(self, weighted: Tensor | None = None) -> Objective:
        """The loss. With the encoded labels of all training images, rare ones count as much as frequent ones."""

    @abc.abstractmethod
    def answers(self, outputs: Tensor) -> Tensor:
        """What a person is told, of the shape of the outputs: probabilities, or numbers in their own units."""

    @abc.abstractmethod
    def label(self, answer: Sequence[float]) -> str:
        """The label that one row of answers comes to."""

    @abc.abstractmethod
    def evaluate(self, outputs: Tensor, targets: Tensor) -> AnyEvaluation:
        """How well outputs do."""

    @abc.abstractmethod
    def wrongness(self, answers: Tensor, targets: Tensor) -> Tensor:
        """How wrong each row of answers is, of shape (N,), float64; 0 for what is right."""


class Classification(Target):
    """One class of several; its number is encoded, int64, of shape (N,)."""

    kind = "class"

    def encoded(self, labels: Iterable[str]) -> Tensor:
        """The number of each class."""
        numbers = {name: number for number, name in enumerate(self.names)}
        return torch.tensor([numbers[label] for label in labels], dtype=torch.int64)

    def objective(self, weighted: Tensor | None = None) -> CategoricalCrossEntropy:
        """With weights N / (classes x images of the class)."""
        if weighted is None:
            return CategoricalCrossEntropy()
        images = weighted.bincount(minlength=len(self.names)).float()
        return CategoricalCrossEntropy(len(weighted) / (len(self.names) * images))

    def answers(self, outputs: Tensor) -> Tensor:
        """Probabilities: the softmax."""
        return outputs.softmax(1)

    def label(self, answer: Sequence[float]) -> str:
        """The likeliest class."""
        return self.names[max(range(len(answer)), key=answer.__getitem__)]

    def evaluate(self, outputs: Tensor, targets: Tensor) -> AnyEvaluation:
        """Accuracy, confusion, and scores of each class."""
        return evaluate(outputs, targets, self.names)

    def wrongness(self, answers: Tensor, targets: Tensor) -> Tensor:
        """−log p of the true class where another one is likelier."""
        true = answers.gather(1, targets[:, None])[:, 0]
        return torch.where(true < answers.amax(1), -true.double().log(), 0.0)


class Multilabel(Target):
    """Several labels, or none; 1 for those that an image has and 0 for others, float32, of shape (N, labels)."""

    kind = "labels"

    def encoded(self, labels: Iterable[str]) -> Tensor:
        """A row of 0 and 1 for each image."""
        rows = [[float(name in parts) for name in self.names] for parts in map(parts_of, labels)]
        return torch.tensor(rows, dtype=torch.float32).view(-1, len(self.names))

    def objective(self, weighted: Tensor | None = None) -> BinaryCrossEntropy:
        """With weights by which the images that have a label count as much as those that do not."""
        if weighted is None:
            return BinaryCrossEntropy()
        having = weighted.sum(0).clamp(min=1)
        return BinaryCrossEntropy((len(weighted) - having).clamp(min=1) / having)

    def answers(self, outputs: Tensor) -> Tensor:
        """Probabilities: the sigmoid of each."""
        return outputs.sigmoid()

    def label(self, answer: Sequence[float]) -> str:
        """All labels whose probability is over a half."""
        return joined(name for name, probability in zip(self.names, answer, strict=True) if probability > 0.5)

    def evaluate(self, outputs: Tensor, targets: Tensor) -> AnyEvaluation:
        """Scores of each label, and exact match."""
        return evaluate_labels(outputs, targets, self.names)

    def wrongness(self, answers: Tensor, targets: Tensor) -> Tensor:
        """−log p of the truth, summed over the labels that are told wrongly."""
        true = torch.where(targets > 0.5, answers, 1 - answers).double()
        return torch.where((answers > 0.5) == (targets > 0.5), 0.0, -true.log()).sum(1)


@dataclasses.dataclass(frozen=True)
class Regression(Target):
    """One number or several, free of their mean and spread over the training images: float32, (N, numbers)."""

    kind = "numbers"
    scale: Scale

    @classmethod
    def measured(cls, names: Sequence[str], labels: Iterable[str]) -> "Regression":
        """The target whose scale is that of these training images. Raises DataError where a number never changes."""
        numbers = _numbers(labels, len(names))
        mean, spread = numbers.mean(0), numbers.std(0, correction=0)
        for name, one in zip(names, spread.tolist(), strict=True):
            if not 0 < one < float("inf"):
                raise DataError(
                    f"the column {name!r} has {'the same number' if one == 0 else 'numbers too large to be squared'} "
                    f"in all {len(numbers)} training images. Leave it out with --label-columns, or add others."
                )
        return cls(tuple(names), Scale(mean=mean.tolist(), spread=spread.tolist()))

    def encoded(self, labels: Iterable[str]) -> Tensor:
        """The numbers, less the mean, over the spread."""
        return ((_numbers(labels, len(self.names)) - self._mean) / self._spread).float()

    def objective(self, weighted: Tensor | None = None) -> L2:
        """Without weights: there are no rare classes."""
        return L2()

    def answers(self, outputs: Tensor) -> Tensor:
        """The numbers, float64."""
        return outputs.double() * self._spread + self._mean

    def label(self, answer: Sequence[float]) -> str:
        """The numbers with six digits."""
        return joined(f"{number:.6g}" for number in answer)

    def evaluate(self, outputs: Tensor, targets: Tensor) -> AnyEvaluation:
        """Errors in the numbers' own units, and R²."""
        loss = self.objective().standing(outputs, targets).loss
        return evaluate_numbers(self.answers(outputs), self.answers(targets), self.names, loss)

    def wrongness(self, answers: Tensor, targets: Tensor) -> Tensor:
        """The squared error in variances, summed over the numbers."""
        return ((answers - self.answers(targets)) / self._spread).square().sum(1)

    @property
    def _mean(self) -> Tensor:
        return torch.tensor(self.scale.mean, dtype=torch.float64)

    @property
    def _spread(self) -> Tensor:
        return torch.tensor(self.scale.spread, dtype=torch.float64)


def task_of(kind: TargetKind, names: Sequence[str], scale: Scale | None = None) -> Target:
    """The target of that kind; numbers need their scale."""
    if kind == "numbers":
        if scale is None:
            raise DataError("numbers were learned, and the file does not say on which scale. Train the run again.")
        return Regression(tuple(names), scale)
    return (Classification if kind == "class" else Multilabel)(tuple(names))


def _numbers(labels: Iterable[str], count: int) -> Tensor:
    """Of shape (N, count), float64."""
    rows = [[float(part) for part in parts_of(label)] for label in labels]
    return torch.tensor(rows, dtype=torch.float64).view(-1, count)
