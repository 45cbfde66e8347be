"""Pooling: what a last layer reads, as one vector for each image."""

from torch import Tensor


def pooled(x: Tensor) -> Tensor:
    """Vectors (N, D): the mean over all places of maps (N, D, H, W), or over the tokens of (N, tokens, D)."""
    return x.mean((2, 3)) if x.ndim == 4 else x.mean(1) if x.ndim == 3 else x
