"""Normalization by its definition, for any axes over which the statistics are taken.

Legend: û = (u - μ) / σ, with μ the mean and σ² the variance (plus ε) over `axes`, n the number of places there;
y = γ û + β.
"""

import torch
from torch import Tensor


def normalize(u: Tensor, axes: list[int], eps: float) -> tuple[Tensor, Tensor]:
    """û and 1 / σ."""
    mean = u.mean(axes, keepdim=True)
    variance = ((u - mean) ** 2).mean(axes, keepdim=True)
    inverse = 1 / torch.sqrt(variance + eps)
    return (u - mean) * inverse, inverse


def normalize_gradient(scaled: Tensor, normalized: Tensor, inverse: Tensor, axes: list[int]) -> Tensor:
    """∂J/∂u = (g - mean(g) - û mean(g û)) / σ, with g = γ ∂J/∂y; all means over `axes`."""
    mean = scaled.mean(axes, keepdim=True)
    along = (scaled * normalized).mean(axes, keepdim=True)
    gradient: Tensor = (scaled - mean - normalized * along) * inverse
    return gradient


def normalize_tensor(normalized: Tensor, inverse: Tensor, scale: Tensor, blocks: Tensor) -> Tensor:
    """∂y_i/∂u_j = γ_i / σ (δ_ij - 1/n - û_i û_j / n) for i and j that share their statistics, else 0.

    All arguments have the shape of u; `blocks` numbers the statistics that each element belongs to.
    """
    flat, block = normalized.reshape(-1), blocks.reshape(-1)
    together = (block[:, None] == block).to(flat.dtype)
    n = together.sum(1, keepdim=True)
    rows = torch.eye(len(flat), dtype=flat.dtype, device=flat.device) - together * (1 + flat[:, None] * flat) / n
    return ((scale * inverse).reshape(-1, 1) * rows).reshape(normalized.shape * 2)
