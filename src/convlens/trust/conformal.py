"""Conformal prediction: sets of classes that hold the true one as often as asked, whatever the network is worth.

A set holds all classes whose probability is above a threshold, which gives the smallest sets of all with that coverage
(Sadinle, Lei & Wasserman, Least ambiguous set-valued classifiers with bounded error levels, 2019). The threshold
is the quantile of the true classes' probabilities on images that the network was not trained on, with the correction
for their number that makes the coverage hold for any number of them (Vovk, Gammerman & Shafer 2005; Angelopoulos &
Bates, A gentle introduction to conformal prediction, 2023, section 1).
"""

import math

import torch
from torch import Tensor

from convlens.core.intervals import wilson_interval
from convlens.core.trust import Coverage

_LEAST_QUANTILES = 3
"""A threshold of its own for a class takes this many times the fewest images for which it would be finite at all."""


def thresholds(true_probabilities: Tensor, labels: Tensor, classes: int, coverage: float) -> Tensor:
    """The least probability of a class in a set, of shape (1,), or (classes,) where each class has enough images.

    `true_probabilities` (N,) are those of the true classes, whose numbers are `labels` (N,). A threshold of 0, which
    puts a class into every set, where there are too few images for the coverage.
    """
    if labels.bincount(minlength=classes).min() >= _LEAST_QUANTILES / (1 - coverage):
        return torch.stack([_threshold(true_probabilities[labels == one], coverage) for one in range(classes)])
    return _threshold(true_probabilities, coverage)[None]


def _threshold(true_probabilities: Tensor, coverage: float) -> Tensor:
    """The ⌊(n + 1)(1 − coverage)⌋-th smallest."""
    rank = math.floor((len(true_probabilities) + 1) * (1 - coverage) + 1e-9)
    if rank < 1:
        return true_probabilities.new_zeros(())
    return true_probabilities.kthvalue(rank).values


def prediction_sets(probabilities: Tensor, threshold: Tensor) -> Tensor:
    """Whether each class is in the set of each image, of shape (N, classes); the likeliest class always is."""
    within = probabilities >= threshold
    within[torch.arange(len(probabilities)), probabilities.argmax(1)] = True
    return within


def coverage_of(probabilities: Tensor, labels: Tensor, threshold: Tensor, asked: float) -> Coverage:
    """How often the sets of images hold their true class."""
    sets = prediction_sets(probabilities, threshold)
    held = int(sets.gather(1, labels[:, None]).sum())
    return Coverage(
        asked=asked,
        reached=held / len(labels),
        interval=wilson_interval(held, len(labels)),
        mean_size=float(sets.sum(1).double().mean()),
        by_class=len(threshold) > 1,
    )
