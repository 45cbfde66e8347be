"""Conformal sets: coverage over many splits, and the quantile by its definition."""

import numpy as np
import pytest
import torch
from crepes import ConformalClassifier
from scipy.stats import binom

from convlens.trust.conformal import coverage_of, prediction_sets, thresholds


def drawn(images: int, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """Probabilities of five classes that are too sure, and labels."""
    logits = 2 * torch.randn(images, 5, generator=generator)
    labels = torch.multinomial(logits.softmax(1), 1, generator=generator)[:, 0]
    return (3 * logits).softmax(1), labels


def true_ones(probabilities: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    return probabilities.gather(1, labels[:, None])[:, 0]


def test_the_threshold_is_the_corrected_quantile() -> None:
    p = torch.rand(19, generator=torch.Generator().manual_seed(0))
    labels = torch.zeros(19, dtype=torch.int64)
    assert thresholds(p, labels, 5, 0.9).tolist() == [p.sort().values[1].item()]  # the 2nd of 20 places
    assert thresholds(p, labels, 5, 0.95).tolist() == [p.min().item()]
    assert thresholds(p, labels, 5, 0.96).tolist() == [0.0]


@pytest.mark.parametrize("coverage", [0.8, 0.9, 0.95])
@pytest.mark.parametrize("by_class", [False, True])
def test_sets_cover_as_asked_over_many_splits(coverage: float, by_class: bool) -> None:
    """The number covered of all images of 200 splits is within the bounds that chance allows."""
    generator = torch.Generator().manual_seed(1)
    fitted, judged, splits = (600 if by_class else 50), 50, 200
    held = 0
    for _ in range(splits):
        probabilities, labels = drawn(fitted + judged, generator)
        true = true_ones(probabilities, labels)
        cut = thresholds(true[:fitted], labels[:fitted], 5, coverage)
        assert (len(cut) > 1) == by_class
        held += int((true[fitted:] >= cut.expand(5)[labels[fitted:]]).sum())
    # Splits draw their thresholds, too, which doubles the variance at most where fitted >= judged.
    low, high = binom.ppf([0.0005, 0.9995], splits * judged // 2, coverage) * 2
    assert low <= held <= high + (splits * judged / fitted) * (5 if by_class else 1)


def test_sets_are_never_empty_and_coverage_counts_them() -> None:
    p = torch.tensor([[0.6, 0.3, 0.1], [0.4, 0.35, 0.25]])
    cut = torch.tensor([0.5])
    assert prediction_sets(p, cut).tolist() == [[True, False, False], [True, False, False]]
    assert prediction_sets(p, torch.tensor([0.9, 0.3, 0.2])).tolist() == [[True, True, False], [True, True, True]]
    found = coverage_of(p, torch.tensor([0, 2]), cut, 0.9)
    assert (found.reached, found.mean_size, found.by_class, found.asked) == (0.5, 1.0, False, 0.9)
    assert np.all(np.array(found.interval) == pytest.approx((0.0945, 0.9055), abs=1e-3))


@pytest.mark.parametrize("coverage", [0.8, 0.9, 0.95])
@pytest.mark.parametrize("by_class", [False, True])
def test_sets_are_those_of_crepes(coverage: float, by_class: bool) -> None:
    """Bostrom, crepes: a class is in the set where its p-value is above 1 - coverage; by class within its own bin."""
    probabilities, labels = drawn(700 if by_class else 150, torch.Generator().manual_seed(3))
    fitted = len(labels) - 80
    true = true_ones(probabilities, labels)[:fitted]
    cut = thresholds(true, labels[:fitted], 5, coverage)
    assert (len(cut) > 1) == by_class
    ours = (probabilities[fitted:] >= cut).numpy()
    theirs = np.zeros_like(ours)
    for number in range(5):
        bins = (labels[:fitted].numpy(), np.full(80, number)) if by_class else (None, None)
        fit = ConformalClassifier().fit(1 - true.numpy(), bins=bins[0])
        scores = 1 - probabilities[fitted:, number : number + 1].numpy()
        theirs[:, number] = fit.predict_set(scores, bins=bins[1], confidence=coverage, smoothing=False)[:, 0]
    assert np.array_equal(ours, theirs)
    assert 0 < ours.sum() < ours.size
