"""Calibration against scikit-learn's, and on probabilities whose truth is known."""

import itertools

import numpy as np
import pytest
import torch
from sklearn import metrics as reference
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.calibration import CalibratedClassifierCV
from sklearn.frozen import FrozenEstimator

from convlens.core.trust import Calibration
from convlens.trust.calibration import (
    calibrated,
    calibration_scores,
    fit_calibration,
    fit_temperature,
    fit_vector,
)


def drawn(classes: int, images: int, temperature: float, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits that are too large by the temperature for the labels, which are drawn from their softmax."""
    generator = torch.Generator().manual_seed(seed)
    logits = 2 * torch.randn(images, classes, generator=generator, dtype=torch.float64)
    labels = torch.multinomial(logits.softmax(1), 1, generator=generator)[:, 0]
    return (logits * temperature).float(), labels


class Logits(ClassifierMixin, BaseEstimator):
    """A classifier whose decisions are its inputs."""

    def __init__(self, classes: int) -> None:
        self.classes = classes

    def fit(self, x: np.ndarray, y: np.ndarray) -> "Logits":
        self.classes_ = np.arange(self.classes)
        return self

    def decision_function(self, x: np.ndarray) -> np.ndarray:
        return x

    def predict(self, x: np.ndarray) -> np.ndarray:
        return x.argmax(1)


@pytest.mark.parametrize("classes", [3, 10, 200])
def test_the_temperature_is_scikit_learns(classes: int) -> None:
    logits, labels = drawn(classes, 20 * classes + 1000, 2.5)
    x, y = logits.double().numpy(), labels.numpy()
    frozen = FrozenEstimator(Logits(classes).fit(x, y))
    oracle = CalibratedClassifierCV(frozen, method="temperature", cv=2).fit(x, y)
    found = calibrated(logits.double(), fit_temperature(logits, labels)).softmax(1)
    np.testing.assert_allclose(found, oracle.predict_proba(x), atol=1e-5)


def test_the_temperature_is_the_one_that_made_the_logits_too_large() -> None:
    logits, labels = drawn(5, 20_000, 3.0)
    assert fit_temperature(logits, labels).temperature == pytest.approx(3.0, rel=0.03)


@pytest.mark.parametrize(("scale", "limit"), [(1.0, np.exp(-10)), (-1.0, np.exp(10))])
def test_perfect_or_perfectly_wrong_logits_have_the_limit(scale: float, limit: float) -> None:
    labels = torch.arange(3).repeat(20)
    logits = scale * torch.nn.functional.one_hot(labels, 3).float()
    assert fit_temperature(logits, labels).temperature == pytest.approx(limit)


def test_a_vector_is_taken_where_classes_differ_and_images_are_many() -> None:
    logits, labels = drawn(3, 3000, 1.0)
    skewed = logits * torch.tensor([1.0, 3.0, 0.5]) + torch.tensor([0.0, 2.0, -1.0])
    chosen = fit_calibration(skewed, labels)
    assert chosen == fit_vector(skewed, labels)
    assert chosen.temperature is None
    loss = torch.nn.functional.cross_entropy
    assert loss(calibrated(skewed, chosen), labels) < loss(logits, labels) + 0.01
    few = slice(0, 200)
    assert fit_calibration(skewed[few], labels[few]).offsets == []
    assert fit_calibration(logits, labels).offsets == []


def test_no_calibration_changes_nothing_and_a_temperature_no_order() -> None:
    logits, _ = drawn(4, 10, 1.0)
    assert calibrated(logits, None) is logits
    assert torch.equal(calibrated(logits, Calibration(factors=[0.3])).argsort(1), logits.argsort(1))


@pytest.mark.parametrize("classes", [2, 3, 7])
def test_brier_and_log_loss_are_scikit_learns(classes: int) -> None:
    logits, labels = drawn(classes, 300, 2.0)
    p = logits.double().softmax(1)
    scores = calibration_scores(p, labels)
    assert scores.log_loss == pytest.approx(reference.log_loss(labels, p))
    expected = reference.brier_score_loss(labels, p.numpy() if classes > 2 else p[:, 1], scale_by_half=False)
    assert scores.brier == pytest.approx(expected)


def test_the_calibration_error_by_its_definition() -> None:
    logits, labels = drawn(3, 500, 4.0)
    p = logits.double().softmax(1).numpy()
    confidence, right = p.max(1), p.argmax(1) == labels.numpy()
    edges = np.linspace(0, 1, 16)
    expected = 0.0
    for low, high in itertools.pairwise(edges):
        if (within := (confidence > low) & (confidence <= high)).any():
            expected += within.mean() * abs(confidence[within].mean() - right[within].mean())
    scores = calibration_scores(torch.from_numpy(p), labels)
    assert scores.expected_calibration_error == pytest.approx(expected)
    assert scores.interval[0] < expected < scores.interval[1]
    assert sum(one.images for one in scores.bins) == 500
    assert scores.expected_calibration_error > 0.05


def test_calibration_mends_what_was_too_sure() -> None:
    logits, labels = drawn(4, 4000, 3.0)
    fitted, judged = slice(0, 2000), slice(2000, None)
    calibration = fit_calibration(logits[fitted], labels[fitted])
    before = calibration_scores(logits[judged].softmax(1), labels[judged])
    after = calibration_scores(calibrated(logits[judged], calibration).softmax(1), labels[judged])
    assert after.interval[1] < before.interval[0]
    assert after.brier < before.brier
    assert after.log_loss < before.log_loss


def test_one_image() -> None:
    scores = calibration_scores(torch.tensor([[0.0, 1.0]]), torch.tensor([0]))
    assert (scores.expected_calibration_error, scores.brier, scores.interval) == (1.0, 2.0, (1.0, 1.0))
    assert scores.log_loss > 100
