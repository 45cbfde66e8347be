"""Classification: one class of several, learned by categorical cross-entropy."""

import dataclasses
from collections.abc import Iterable, Sequence
from typing import Self

import torch
from torch import Tensor

from convlens.core.kinds.classification import ClassificationEvaluation
from convlens.core.kinds.kind import Labels
from convlens.core.kinds.registry import KINDS
from convlens.core.run import Mistake
from convlens.core.trust import Calibration
from convlens.training.metrics import evaluate
from convlens.training.objective import CategoricalCrossEntropy
from convlens.training.task import Task
from convlens.trust.calibration import calibrated


@dataclasses.dataclass(frozen=True)
class Classification(Task):
    """One class of several; its number is encoded, int64, of shape (N,)."""

    kind = KINDS["classification"]
    needs_linear_outputs = False
    calibration: Calibration | None = None
    """What outputs are corrected by before they become probabilities; of a network in training nothing."""

    def calibrated(self, calibration: Calibration | None) -> Self:
        """With that calibration."""
        return dataclasses.replace(self, calibration=calibration)

    def encoded(self, labels: Iterable[Labels]) -> Tensor:
        """The number of each class."""
        numbers = {name: number for number, name in enumerate(self.names)}
        return torch.tensor([numbers[name] for (name,) in labels], dtype=torch.int64)

    def objective(self, weighted: Tensor | None = None) -> CategoricalCrossEntropy:
        """With weights N / (classes x images of the class)."""
        if weighted is None:
            return CategoricalCrossEntropy()
        images = weighted.bincount(minlength=len(self.names)).float()
        return CategoricalCrossEntropy(len(weighted) / (len(self.names) * images))

    def answers(self, outputs: Tensor) -> Tensor:
        """Probabilities: the softmax, calibrated."""
        return calibrated(outputs, self.calibration).softmax(1)

    def labels(self, answer: Sequence[float]) -> Labels:
        """The likeliest class."""
        return (self.names[max(range(len(answer)), key=answer.__getitem__)],)

    def evaluate(self, outputs: Tensor, targets: Tensor) -> ClassificationEvaluation:
        """Accuracy, confusion, and scores of each class."""
        return evaluate(calibrated(outputs, self.calibration), targets, self.names)

    def scores(self, outputs: Tensor, targets: Tensor, validated: Sequence[Labels]) -> Tensor:
        """1 where the likeliest class is the true one."""
        return (calibrated(outputs, self.calibration).argmax(1) == targets).double()

    def chosen(self, outputs: Tensor) -> int:
        """The likeliest class."""
        return super().chosen(calibrated(outputs, self.calibration))

    def wrongness(self, answers: Tensor, targets: Tensor) -> Tensor:
        """−log p of the true class where another one is likelier."""
        true = answers.gather(1, targets[:, None])[:, 0]
        return torch.where(true < answers.amax(1), -true.double().log(), 0.0)

    def mistaken(self, mistake: Mistake) -> str:
        """The class that was predicted."""
        return mistake.predicted
