"""Plane: vectors as points of a picture, near where they are alike, and in groups."""

from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE, trustworthiness
from sklearn.metrics import silhouette_score
from torch import Tensor

Method = Literal["tsne", "pca"]
METHODS: tuple[Method, ...] = ("tsne", "pca")
_DIMENSIONS = 50
"""That t-SNE and groups are computed in, as van der Maaten & Hinton did."""
_PERPLEXITY = 30.0
_MOST_GROUPS = 12
_NEIGHBORS = 10
_Matrix = NDArray[np.float32]


class Plane(NamedTuple):
    """Points in a plane."""

    points: _Matrix
    """Of shape (N, 2), both coordinates within 0..1, in one scale."""
    trustworthiness: float
    """Of the 10 nearest in the plane: 1 where all of them are near in truth (Venna & Kaski, 2001)."""


class Groups(NamedTuple):
    """A division of vectors, the largest group first."""

    numbers: list[int]
    """From 0, of each vector."""
    central: list[list[int]]
    """Of each group, the places of its vectors, those nearest to its center first."""


def plane(vectors: Tensor, method: Method, seed: int = 0) -> Plane:
    """Vectors (N, D), N of at least 3, in a plane, by their directions.

    By principal components, or by t-SNE (van der Maaten & Hinton, Visualizing data using t-SNE, 2008), started from
    those.
    """
    unit = _unit(vectors)
    reduced = _reduced(unit)
    if method == "pca" or len(reduced) < 5:
        flat = np.pad(reduced, ((0, 0), (0, max(0, 2 - reduced.shape[1]))))[:, :2]
    else:
        perplexity = min(_PERPLEXITY, (len(reduced) - 1) / 3)
        flat = TSNE(2, perplexity=perplexity, init="pca", random_state=seed).fit_transform(reduced)
    flat = flat - flat.min(0)
    flat = flat / max(float(flat.max()), 1e-12)
    flat += (1 - flat.max(0)) / 2
    near = min(_NEIGHBORS, (len(unit) - 1) // 2)
    kept = float(trustworthiness(unit, flat, n_neighbors=near)) if near >= 1 else 1.0
    return Plane(flat.astype(np.float32), kept)


def groups(vectors: Tensor, count: int | None = None, seed: int = 0) -> Groups:
    """Vectors in groups by k-means on their directions; as many as asked, or as have the best mean silhouette.

    From 2 to 12 groups are tried (Rousseeuw, Silhouettes, 1987).
    """
    reduced = _reduced(_unit(vectors))
    counts = [count] if count else range(2, min(_MOST_GROUPS, len(reduced) - 1) + 1)
    found = [KMeans(one, n_init=4, random_state=seed).fit(reduced) for one in counts]
    best = max(found, key=lambda one: silhouette_score(reduced, one.labels_)) if len(found) > 1 else found[0]
    order = np.argsort(-np.bincount(best.labels_), kind="stable")
    ranks = np.empty_like(order)
    ranks[order] = np.arange(len(order))
    numbers = ranks[best.labels_]
    far = np.linalg.norm(reduced - best.cluster_centers_[best.labels_], axis=1)
    return Groups(
        numbers.tolist(),
        [sorted(np.flatnonzero(numbers == group).tolist(), key=far.__getitem__) for group in range(len(order))],
    )


def _unit(vectors: Tensor) -> _Matrix:
    array: _Matrix = vectors.numpy()
    unit: _Matrix = array / np.maximum(np.linalg.norm(array, axis=1, keepdims=True), 1e-12)
    return unit


def _reduced(unit: _Matrix) -> _Matrix:
    reduced: _Matrix = PCA(min(_DIMENSIONS, *unit.shape), random_state=0).fit_transform(unit)
    return reduced
