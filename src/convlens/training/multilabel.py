"""Multilabel: several labels or none, learned by binary cross-entropy."""

from collections.abc import Iterable, Iterator, Sequence

import torch
from torch import Tensor

from convlens.core.kinds.kind import Labels
from convlens.core.kinds.multilabel import MultilabelEvaluation
from convlens.core.kinds.registry import KINDS
from convlens.core.run import Mistake
from convlens.training.label_metrics import evaluate_labels
from convlens.training.objective import BinaryCrossEntropy
from convlens.training.recipe import Recipe
from convlens.training.task import Task


class Multilabel(Task):
    """Several labels, or none; 1 for those that an image has and 0 for others, float32, of shape (N, labels)."""

    kind = KINDS["multilabel"]

    @classmethod
    def unfit(cls, recipe: Recipe) -> Iterator[str]:
        """Solutions in closed form are for one class."""
        if recipe.head in ("logistic", "ridge"):
            yield "head"

    def encoded(self, labels: Iterable[Labels]) -> Tensor:
        """A row of 0 and 1 for each image."""
        rows = [[float(name in of_image) for name in self.names] for of_image in labels]
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

    def labels(self, answer: Sequence[float]) -> Labels:
        """All labels whose probability is over a half."""
        return tuple(name for name, probability in zip(self.names, answer, strict=True) if probability > 0.5)

    def evaluate(self, outputs: Tensor, targets: Tensor) -> MultilabelEvaluation:
        """Scores of each label, and exact match."""
        return evaluate_labels(outputs, targets, self.names)

    def scores(self, outputs: Tensor, targets: Tensor, validated: Sequence[Labels]) -> Tensor:
        """1 where all labels are right."""
        return ((outputs > 0) == (targets > 0.5)).all(1).double()

    def wrongness(self, answers: Tensor, targets: Tensor) -> Tensor:
        """−log p of the truth, summed over the labels that are predicted wrongly."""
        true = torch.where(targets > 0.5, answers, 1 - answers).double()
        return torch.where((answers > 0.5) == (targets > 0.5), 0.0, -true.log()).sum(1)

    def mistaken(self, mistake: Mistake) -> str:
        """Of the labels that are predicted or missed wrongly, the one that the network is surest of."""
        wrong = {*self.kind.labels_in(mistake.true)} ^ {*self.kind.labels_in(mistake.predicted)}
        return max(sorted(wrong), key=lambda name: abs(mistake.probabilities.get(name, 0.5) - 0.5))
