"""Pooling by its definition: each output place takes the largest, or the mean, of the input places in its window.

Legend: U (batch, n, i, j, ...) input, Z (batch, n, i, j, ...) output, K the number of places in a window; stride s,
padding p, dilation d. Written for windows that end inside the padded input (no ceil mode).
"""

import itertools
import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from convlens.ops.record import Shape


def windows(u: Tensor, kernel: Shape, stride: Shape, padding: Shape, dilation: Shape, outside: float) -> Tensor:
    """U[i s + k1 d - p, j s + k2 d - p, n] for every place k of the window, of shape (K, *Z.shape)."""
    padded = F.pad(u, [side for p in reversed(padding) for side in (p, p)], value=outside)
    size = [
        (n - d * (k - 1) - 1) // s + 1 for n, k, s, d in zip(padded.shape[2:], kernel, stride, dilation, strict=True)
    ]
    return torch.stack([padded[places] for places in _places(kernel, stride, dilation, size)])


def max_pool(u: Tensor, kernel: Shape, stride: Shape, padding: Shape, dilation: Shape) -> Tensor:
    """Z[i, j, n] = max_{k1, k2} U[i s + k1 d - p, j s + k2 d - p, n]; places outside never win."""
    return windows(u, kernel, stride, padding, dilation, -math.inf).amax(0)


def max_pool_gradient(dz: Tensor, u: Tensor, kernel: Shape, stride: Shape, padding: Shape, dilation: Shape) -> Tensor:
    """∂J/∂U: each ∂J/∂Z[i, j, n] goes to the place that won (the first one where several are equal)."""
    winner = windows(u, kernel, stride, padding, dilation, -math.inf).argmax(0)
    shares = torch.stack([dz * (winner == k) for k in range(math.prod(kernel))])
    return _collect(shares, u.shape, kernel, stride, padding, dilation)


def max_unpool(u: Tensor, winners: Tensor, output_size: Shape) -> Tensor:
    """Z[winners[i, j, n], n] = U[i, j, n], `winners` counted row by row through a channel; zeros elsewhere."""
    z = u.new_zeros((*u.shape[:2], math.prod(output_size)))
    for example, channel in itertools.product(*map(range, u.shape[:2])):
        for value, place in zip(u[example, channel].flatten(), winners[example, channel].flatten(), strict=True):
            z[example, channel, place] = value
    return z.reshape(*u.shape[:2], *output_size)


def average_pool(u: Tensor, kernel: Shape, stride: Shape, padding: Shape) -> Tensor:
    """Z[i, j, n] = 1/K Σ_{k1, k2} U[i s + k1 - p, j s + k2 - p, n]; places outside count as zeros."""
    return windows(u, kernel, stride, padding, (1,) * len(kernel), 0.0).mean(0)


def average_pool_gradient(dz: Tensor, u: Tensor, kernel: Shape, stride: Shape, padding: Shape) -> Tensor:
    """∂J/∂U: each place of a window gets 1/K of ∂J/∂Z[i, j, n]."""
    num_places = math.prod(kernel)
    shares = (dz / num_places).expand(num_places, *dz.shape)
    return _collect(shares, u.shape, kernel, stride, padding, (1,) * len(kernel))


def adaptive_average_pool(u: Tensor, output_size: Shape) -> Tensor:
    """Z[i, n] = mean of U from ⌊i L / l⌋ to ⌈(i + 1) L / l⌉ - 1, L and l the input and output length, on each axis."""
    for axis, size in enumerate(output_size, start=2):
        length = u.shape[axis]
        bounds = [(i * length // size, -(-(i + 1) * length // size)) for i in range(size)]
        u = torch.stack([u.narrow(axis, a, b - a).mean(axis) for a, b in bounds], dim=axis)
    return u


def _collect(shares: Tensor, shape: Shape, kernel: Shape, stride: Shape, padding: Shape, dilation: Shape) -> Tensor:
    """The reverse of `windows`: what all windows give to each input place, added up."""
    sizes = [n + 2 * p for n, p in zip(shape[2:], padding, strict=True)]
    padded = shares.new_zeros(*shape[:2], *sizes)
    for share, places in zip(shares, _places(kernel, stride, dilation, shares.shape[3:]), strict=True):
        padded[places] += share
    inside: tuple[Any, ...] = tuple(slice(p, p + n) for n, p in zip(shape[2:], padding, strict=True))
    return padded[(..., *inside)]


def _places(kernel: Shape, stride: Shape, dilation: Shape, size: Any) -> list[Any]:
    """For each place k of the window, the places of the padded input that it meets."""
    return [
        (
            ...,
            *(slice(a * d, a * d + s * (n - 1) + 1, s) for a, d, s, n in zip(k, dilation, stride, size, strict=True)),
        )
        for k in itertools.product(*(range(n) for n in kernel))
    ]
