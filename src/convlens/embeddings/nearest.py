"""Nearest vectors by the cosine: exact, as a matrix product in blocks."""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

_MOST_AT_ONCE = 4096
"""Vectors whose similarities are in memory at once."""


class Nearest(NamedTuple):
    """The known vectors most similar to each one, of shape (N, count), and how similar: the cosine."""

    places: Tensor
    similarities: Tensor


def nearest(vectors: Tensor, known: Tensor, count: int) -> Nearest:
    """The most similar of `known`, of shape (M, D) and length 1, for vectors (N, D), the nearest first.

    As many as `count`, or as there are.
    """
    parts = [
        (some @ known.T).topk(min(count, len(known)))
        for some in torch.split(F.normalize(vectors, dim=1), _MOST_AT_ONCE)
    ]
    return Nearest(torch.cat([one.indices for one in parts]), torch.cat([one.values for one in parts]))
