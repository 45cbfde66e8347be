"""Likeness: pictures that a network sees as nearly the same, by features that are stored anyway.

Features survive what moves pixels: a crop, a mirror image, a few degrees. Each is measured in deviations from the mean
of all pictures; else whatever all of them share makes them alike.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from convlens.data.neighbours import Places, Vectors, close_pairs
from convlens.transfer.features import FeatureRows, FeatureTable

LEAST_COSINE = 0.9
"""By the house network's features, of 100 photographs 98 reach it when they are mirrored, 93 when a tenth is cropped
or they are turned by 5 degrees. So do 46 of the 50 million pairs of 10,000 different pictures of 64 pixels; none of
these is alike by data.signature.roughly_alike, too."""
_READ_AT_ONCE = 1024
_LEAST_DEVIATION = 1e-6

_Doubles = NDArray[np.float64]


def alike_by_features(table: FeatureTable, images: Sequence[str]) -> Iterator[tuple[Places, Places]]:
    """All pairs of images whose features point the same way, some at a time, by places in `images`.

    Maps are averaged over their places. Raises KeyError for an image that is not stored.
    """
    rows = table.rows(images)
    mean, deviation = _moments(rows)

    def vectors_at(places: Places) -> Vectors:
        features = (_pooled(rows.batch(torch.from_numpy(places))) - mean) / deviation
        lengths = np.linalg.norm(features, axis=1, keepdims=True)
        vectors: Vectors = (features / np.maximum(lengths, _LEAST_DEVIATION)).astype(np.float32)
        return vectors

    return close_pairs(vectors_at, len(rows), LEAST_COSINE)


def _moments(rows: FeatureRows) -> tuple[_Doubles, _Doubles]:
    """Mean and standard deviation of each feature, over all rows."""
    total, squares = np.zeros(1), np.zeros(1)
    for start in range(0, len(rows), _READ_AT_ONCE):
        features = _pooled(rows.batch(torch.arange(start, min(start + _READ_AT_ONCE, len(rows)))))
        total, squares = total + features.sum(0), squares + (features**2).sum(0)
    count = max(len(rows), 1)
    mean = total / count
    return mean, np.sqrt(np.maximum(squares / count - mean**2, _LEAST_DEVIATION**2))


def _pooled(columns: tuple[Tensor, ...]) -> _Doubles:
    """One row of numbers for each picture: maps (N, C, H, W) and tokens (N, T, C) are averaged over their places."""
    flat = [column.double() for column in columns]
    flat = [one.mean(1) if one.ndim == 3 else one.flatten(2).mean(2) if one.ndim > 3 else one for one in flat]
    features: _Doubles = torch.cat(flat, dim=1).numpy()
    return features
