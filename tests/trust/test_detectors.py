"""Detectors of foreign images against scikit-learn's building blocks."""

import numpy as np
import pytest
import torch
from sklearn.covariance import LedoitWolf
from sklearn.metrics import roc_auc_score
from sklearn.neighbors import NearestNeighbors
from sklearn.preprocessing import normalize

from convlens.trust.detectors import DETECTORS, ClassMeans, Detector, Neighbors, auroc, shrunk_covariance


def clusters(images: int = 60, size: int = 12, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Vectors of three classes, their class numbers, and vectors of another kind."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(images) % 3
    centers = 4 * torch.randn(4, size, generator=generator)
    known = centers[labels] + torch.randn(images, size, generator=generator)
    return known, labels, centers[3] + torch.randn(20, size, generator=generator)


def test_neighbors_are_scikit_learns() -> None:
    known, labels, foreign = clusters()
    x, z = normalize(known.numpy()), normalize(foreign.numpy())
    distances, places = NearestNeighbors(n_neighbors=5, metric="cosine").fit(x).kneighbors(z)
    detector = Neighbors.fit(known, labels)
    np.testing.assert_allclose(detector.scores(foreign), distances.mean(1), atol=1e-5)
    assert detector.nearest(foreign, 5).places.tolist() == places.tolist()
    assert detector.nearest(foreign, 500).places.shape == (20, 60)


@pytest.mark.parametrize(("images", "size"), [(200, 12), (20, 50)])
def test_the_covariance_is_scikit_learns(images: int, size: int) -> None:
    x = torch.randn(images, size, generator=torch.Generator().manual_seed(0)).double()
    expected = LedoitWolf(assume_centered=True).fit(x.numpy()).covariance_
    np.testing.assert_allclose(shrunk_covariance(x), expected, atol=1e-9)


def test_a_covariance_of_nothing_but_zeros_can_be_inverted() -> None:
    assert torch.linalg.cholesky(shrunk_covariance(torch.zeros(5, 3))).diagonal().min() > 0


def test_class_means_by_their_definition() -> None:
    known, labels, foreign = clusters()
    x, z = normalize(known.numpy()).astype(float), normalize(foreign.numpy()).astype(float)
    means = np.stack([x[labels.numpy() == one].mean(0) for one in range(3)])
    precision = LedoitWolf(assume_centered=True).fit(x - means[labels.numpy()]).precision_
    expected = [min((one - mean) @ precision @ (one - mean) for mean in means) for one in z]
    np.testing.assert_allclose(ClassMeans.fit(known, labels).scores(foreign), expected, rtol=2e-3)


@pytest.mark.parametrize("kind", DETECTORS.values(), ids=DETECTORS)
def test_foreign_vectors_score_above_known_ones_whatever_their_length(kind: type[Detector]) -> None:
    known, labels, foreign = clusters(120)
    detector = kind.fit(known[:60], labels[:60])
    scores, others = detector.scores(known[60:]), detector.scores(foreign)
    assert auroc(scores, others) > 0.99
    torch.testing.assert_close(detector.scores(7 * foreign), others, rtol=1e-3, atol=1e-5)
    again = kind.of(detector.tensors())
    assert torch.equal(again.scores(foreign), others)


@pytest.mark.parametrize("kind", DETECTORS.values(), ids=DETECTORS)
def test_a_class_without_images_is_left_out(kind: type[Detector]) -> None:
    known, labels, foreign = clusters()
    gap = torch.where(labels == 2, 5, labels)
    torch.testing.assert_close(kind.fit(known, gap).scores(foreign), kind.fit(known, labels).scores(foreign))


def test_auroc_is_scikit_learns_with_ties() -> None:
    generator = torch.Generator().manual_seed(0)
    known = torch.randint(10, (50,), generator=generator).float()
    foreign = torch.randint(3, 13, (30,), generator=generator).float()
    expected = roc_auc_score([0] * 50 + [1] * 30, torch.cat([known, foreign]))
    assert auroc(known, foreign) == pytest.approx(expected)
    assert auroc(known, known) == pytest.approx(0.5)
