"""Nearest vectors: those that scikit-learn finds, in blocks as well."""

import numpy as np
import torch
import torch.nn.functional as F
from sklearn.neighbors import NearestNeighbors

from convlens.embeddings import nearest as module
from convlens.embeddings.nearest import nearest


def test_they_are_scikit_learns(monkeypatch) -> None:
    monkeypatch.setattr(module, "_MOST_AT_ONCE", 7)
    generator = torch.Generator().manual_seed(0)
    known, asked = torch.randn(200, 16, generator=generator), torch.randn(30, 16, generator=generator)
    oracle = NearestNeighbors(n_neighbors=5, metric="cosine").fit(known.numpy())
    distances, places = oracle.kneighbors(asked.numpy())
    found = nearest(asked, F.normalize(known, dim=1), 5)
    assert np.array_equal(found.places.numpy(), places)
    np.testing.assert_allclose(1 - found.similarities.numpy(), distances, atol=1e-5)


def test_no_more_than_there_are() -> None:
    assert nearest(torch.ones(1, 2), F.normalize(torch.ones(3, 2), dim=1), 10).places.shape == (1, 3)
