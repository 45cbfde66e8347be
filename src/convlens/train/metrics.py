"""How well a network did: accuracy with its interval, confusion, precision and recall, ROC."""

import math
from statistics import NormalDist

import torch.nn.functional as F
from sklearn import metrics
from torch import Tensor

from convlens.core.run import ClassScore, Evaluation, Roc


def evaluate(logits: Tensor, labels: Tensor, classes: tuple[str, ...]) -> Evaluation:
    """The evaluation of logits of shape (N, classes) against class numbers of shape (N,)."""
    predicted, true = logits.argmax(1).numpy(), labels.numpy()
    numbers = list(range(len(classes)))
    precision, recall, f1, support = metrics.precision_recall_fscore_support(
        true, predicted, labels=numbers, zero_division=0.0
    )
    correct = int((predicted == true).sum())
    return Evaluation(
        pictures=len(true),
        accuracy=correct / len(true),
        interval=wilson_interval(correct, len(true)),
        loss=F.cross_entropy(logits, labels).item(),
        confusion=metrics.confusion_matrix(true, predicted, labels=numbers).tolist(),
        per_class=[
            ClassScore(name=name, precision=p, recall=r, f1=f, support=n)
            for name, p, r, f, n in zip(classes, precision, recall, f1, support, strict=True)
        ],
        roc=_roc(logits, labels, classes),
    )


def wilson_interval(correct: int, total: int, confidence: float = 0.95) -> tuple[float, float]:
    """Wilson's score interval for a proportion (Wilson 1927): it stays within 0..1 and is right for few pictures."""
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    p = correct / total
    centre = p + z * z / (2 * total)
    half = z * math.sqrt(p * (1 - p) / total + z * z / (4 * total * total))
    scale = 1 + z * z / total
    return max(0.0, (centre - half) / scale), min(1.0, (centre + half) / scale)


def _roc(logits: Tensor, labels: Tensor, classes: tuple[str, ...]) -> Roc | None:
    if len(classes) != 2 or len(labels.unique()) != 2:
        return None
    score = (logits[:, 1] - logits[:, 0]).numpy()
    false_positive, true_positive, _ = metrics.roc_curve(labels.numpy(), score)
    return Roc(
        positive=classes[1],
        false_positive_rate=false_positive.tolist(),
        true_positive_rate=true_positive.tolist(),
        area=float(metrics.auc(false_positive, true_positive)),
    )
