"""Label errors: which labels are likely wrong, from probabilities that networks not trained on the images gave.

Confident learning: Northcutt, Jiang & Chuang, Confident learning: estimating uncertainty in dataset labels, Journal of
Artificial Intelligence Research 70, 2021. Tested against cleanlab, by its authors.

Legend: N images, K classes. `probabilities` are of shape (N, K), `labels` are given class numbers of shape (N,).
"""

import torch
from torch import Tensor

_ROUNDING = 1e-6
"""A probability that reaches a threshold but for rounding reaches it."""


def class_thresholds(probabilities: Tensor, labels: Tensor) -> Tensor:
    """The mean probability of each class on the images labeled so, of shape (K,); infinite for a class without any.

    Section 3.1, equation 2 of the paper: a class that the network is unsure of is confident sooner.
    """
    counts = labels.bincount(minlength=probabilities.shape[1])
    given = probabilities.gather(1, labels[:, None])[:, 0]
    sums = torch.zeros_like(probabilities[0]).index_add_(0, labels, given)
    return torch.where(counts > 0, sums / counts.clamp(min=1), torch.inf)


def confident_joint(probabilities: Tensor, labels: Tensor) -> Tensor:
    """How many images labeled i are confidently of class j, of shape (K, K), int64 (equation 1).

    Of several classes whose thresholds an image reaches it counts for the likeliest; where it reaches none, it does not
    count. No class is without an image that is labeled rightly.
    """
    classes = probabilities.shape[1]
    reached = probabilities >= class_thresholds(probabilities, labels) - _ROUNDING
    confident = reached.any(1)
    guessed = torch.where(reached, probabilities, -torch.inf).argmax(1)
    pairs = labels[confident] * classes + guessed[confident]
    counts = pairs.bincount(minlength=classes * classes).reshape(classes, classes)
    counts.diagonal().clamp_(min=1)
    return counts


def estimated_joint(counts: Tensor, labels: Tensor) -> Tensor:
    """The estimated part of all images that are labeled i and of class j, of shape (K, K), float64 (equation 3).

    `counts` is the confident joint; the sum of each row is the part of the images that are labeled so.
    """
    given = labels.bincount(minlength=len(counts)).double()
    joint = counts.double()
    return joint / joint.sum(1, keepdim=True) * (given / given.sum())[:, None]


def label_errors(probabilities: Tensor, labels: Tensor) -> Tensor:
    """Which labels are likely wrong, as truth values of shape (N,): by class and by noise rate (section 3.2, C+NR).

    By class are, of each class, as many of the images labeled so as are estimated to be of others, those whose given
    label is the least probable. By noise rate are, of each pair of a given and another class, as many as are estimated
    for the pair, those that the other class is the most probable of, compared with the given one. Suspect is what both
    name and the network would call otherwise.
    """
    given = labels.bincount(minlength=probabilities.shape[1])
    joint = estimated_joint(confident_joint(probabilities, labels), labels)
    expected = _rounded_rows(joint * len(labels), given)
    found = torch.zeros(len(labels), dtype=torch.bool)
    for label in given.nonzero().flatten().tolist():
        places = (labels == label).nonzero().flatten()
        found[places] = _of_class(probabilities[places], label, expected[label])
    return found & (probabilities.argmax(1) != labels)


def _of_class(probabilities: Tensor, label: int, expected: Tensor) -> Tensor:
    """Which of the images of one given class both ways name; `expected` are their estimated numbers by class, (K,)."""
    count = len(probabilities)
    own = probabilities[:, label]
    least = own.argsort(stable=True)[: count - int(expected[label])]
    by_class = torch.zeros(count, dtype=torch.bool).index_fill_(0, least, True)
    by_rate = torch.zeros(count, dtype=torch.bool)
    others = (expected > 0).nonzero().flatten().tolist()
    for other in (one for one in others if one != label):
        nearest = (own - probabilities[:, other]).argsort(stable=True)[: int(expected[other])]
        by_rate[nearest] = True
    return by_class & by_rate


def _rounded_rows(counts: Tensor, totals: Tensor) -> Tensor:
    """Whole numbers (K, K) near the counts whose rows have those sums, by largest remainders."""
    whole = (counts + _ROUNDING).floor()
    remainders = counts - whole
    missing = totals - whole.sum(1).long()
    rank = remainders.argsort(dim=1, descending=True, stable=True).argsort(dim=1)
    return whole.long() + (rank < missing[:, None])


def quality(probabilities: Tensor, labels: Tensor) -> Tensor:
    """How well each label fits its image, of shape (N,): the probability of the given class, the lower the worse."""
    return probabilities.gather(1, labels[:, None])[:, 0]
