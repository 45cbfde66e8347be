"""How well several labels per image are predicted: per label, for whole images, and over all thresholds.

Tested against scikit-learn's.
"""

from collections.abc import Sequence
from statistics import fmean

import torch
import torch.nn.functional as F
from torch import Tensor

from convlens.core.intervals import wilson_interval
from convlens.core.kinds.multilabel import LabelScore, MultilabelEvaluation


def evaluate_labels(logits: Tensor, targets: Tensor, names: Sequence[str]) -> MultilabelEvaluation:
    """The evaluation of logits of shape (N, labels) against targets of 0 and 1; a label is said from a half on."""
    said, true = logits > 0, targets > 0.5
    exact = int((said == true).all(1).sum())
    scores = [_score(name, logits[:, n], said[:, n], true[:, n]) for n, name in enumerate(names)]
    precisions = [score.average_precision for score in scores if score.average_precision is not None]
    return MultilabelEvaluation(
        images=len(targets),
        accuracy=(said == true).double().mean().item(),
        exact_match=exact / len(targets),
        interval=wilson_interval(exact, len(targets)),
        mean_average_precision=fmean(precisions) if precisions else None,
        loss=F.binary_cross_entropy_with_logits(logits, targets).item(),
        per_label=scores,
    )


def _score(name: str, logits: Tensor, said: Tensor, true: Tensor) -> LabelScore:
    """Precision, recall and F1 are 0 where a label was never said, or never there."""
    right, num_said, num_true = (int(one.sum()) for one in (said & true, said, true))
    return LabelScore(
        name=name,
        accuracy=(said == true).double().mean().item(),
        precision=right / max(num_said, 1),
        recall=right / max(num_true, 1),
        f1=2 * right / max(num_said + num_true, 1),
        average_precision=average_precision(logits, true) if num_true else None,
        support=num_true,
    )


def average_precision(scores: Tensor, true: Tensor) -> float:
    """Σ (Rₙ − Rₙ₋₁) Pₙ over all thresholds, precision P and recall R, tied scores at once; at least one is true."""
    order = scores.argsort(descending=True)
    hits = true[order].double().cumsum(0)
    last_of_ties = torch.cat([scores[order].diff() != 0, torch.tensor([True])])
    precision = (hits / torch.arange(1, len(hits) + 1))[last_of_ties]
    recall = (hits / hits[-1])[last_of_ties]
    return float((recall.diff(prepend=recall.new_zeros(1)) * precision).sum())
