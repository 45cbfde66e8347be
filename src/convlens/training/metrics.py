"""How well a network did: accuracy with its interval, confusion, precision and recall, ROC.

Tested against scikit-learn's; importing that takes longer than a second run on stored features.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from convlens.core.intervals import wilson_interval
from convlens.core.kinds.classification import ClassificationEvaluation, ClassScore, Roc

_FIRST = 5


def evaluate(logits: Tensor, labels: Tensor, classes: tuple[str, ...]) -> ClassificationEvaluation:
    """The evaluation of logits of shape (N, classes) against class numbers of shape (N,)."""
    predicted = logits.argmax(1)
    confusion = confusion_matrix(labels, predicted, len(classes))
    correct = int(confusion.diagonal().sum())
    return ClassificationEvaluation(
        images=len(labels),
        accuracy=correct / len(labels),
        interval=wilson_interval(correct, len(labels)),
        top5_accuracy=_top5(logits, labels) if len(classes) > _FIRST else None,
        loss=F.cross_entropy(logits, labels).item(),
        confusion=confusion.tolist(),
        per_class=_class_scores(confusion, classes),
        roc=_roc(logits, labels, classes),
    )


def _top5(logits: Tensor, labels: Tensor) -> float:
    return (logits.topk(_FIRST).indices == labels[:, None]).any(1).double().mean().item()


def confusion_matrix(true: Tensor, predicted: Tensor, classes: int) -> Tensor:
    """Counts of shape (classes, classes): row the true class, column the predicted one."""
    return (true * classes + predicted).bincount(minlength=classes * classes).view(classes, classes)


def _class_scores(confusion: Tensor, classes: tuple[str, ...]) -> list[ClassScore]:
    """Precision, recall and F1 of each class; 0 where a class was never predicted, or never there."""
    right = confusion.diagonal().double()
    predicted, support = confusion.sum(0), confusion.sum(1)
    columns = (
        right / predicted.clamp(min=1),
        right / support.clamp(min=1),
        2 * right / (predicted + support).clamp(min=1),
    )
    rows = zip(classes, *(column.tolist() for column in columns), support.tolist(), strict=True)
    return [ClassScore(name=name, precision=p, recall=r, f1=f, support=n) for name, p, r, f, n in rows]


def _roc(logits: Tensor, labels: Tensor, classes: tuple[str, ...]) -> Roc | None:
    """The curve over all thresholds of the second class's score; tied scores move together."""
    if len(classes) != 2 or not 0 < labels.sum() < len(labels):
        return None
    score = (logits[:, 1] - logits[:, 0]).double()
    order = score.argsort(descending=True)
    positive = labels[order].double()
    last_of_ties = torch.cat([score[order].diff() != 0, torch.tensor([True])])
    start = torch.zeros(1, dtype=torch.float64)
    true_positive = torch.cat([start, positive.cumsum(0)[last_of_ties] / positive.sum()])
    false_positive = torch.cat([start, (1 - positive).cumsum(0)[last_of_ties] / (1 - positive).sum()])
    return Roc(
        positive=classes[1],
        false_positive_rate=false_positive.tolist(),
        true_positive_rate=true_positive.tolist(),
        area=float(torch.trapezoid(true_positive, false_positive)),
    )
