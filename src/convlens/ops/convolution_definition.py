"""Convolution by its definition, as in a lecture: forward, and the gradients of filters, bias and input.

Legend: U (batch, n, i, j, ...) input, W (m, n / groups, k1, k2, ...) filter bank, b (m) bias, Z (batch, m, i, j, ...)
output. The definition, with stride s, padding p and dilation d, holds for each spatial axis:

    Z[i, j, m] = Σ_{k1, k2, n} W[k1, k2, n, m] U[i s + k1 d - p, j s + k2 d - p, n] + b[m]

Transposed convolution swaps the roles of U and Z; its filter bank has the shape (n, m / groups, k1, k2, ...).
"""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Self

import torch
import torch.nn.functional as F
from torch import Tensor

from convlens.ops.record import Shape


@dataclass(frozen=True, kw_only=True)
class Geometry:
    """How the filters move over the input: one entry for each spatial axis."""

    stride: Shape
    padding: Shape
    dilation: Shape
    output_padding: Shape
    groups: int = 1
    transposed: bool = False

    @classmethod
    def of(
        cls,
        num_axes: int,
        *,
        groups: int = 1,
        transposed: bool = False,
        output_padding: Any = 0,
        **places: Any,
    ) -> Self:
        """The geometry for `num_axes` spatial axes; `stride`, `padding` and `dilation` as a number or a list."""
        per = {name: per_axis(value, num_axes) for name, value in {**places, "output_padding": output_padding}.items()}
        return cls(groups=groups, transposed=transposed, **per)


def per_axis(value: Any, num_axes: int) -> Shape:
    """One integer for each spatial axis, from a number or a list that may hold a single one for all."""
    values = tuple(value) if isinstance(value, list | tuple) else (value,)
    return values if len(values) == num_axes else values * num_axes


def convolve(u: Tensor, w: Tensor, b: Tensor | None, g: Geometry) -> Tensor:
    """Z by its definition: for each place k of the filters, the product of W[k] with the input places that it meets."""
    padded = F.pad(u, [side for p in reversed(g.padding) for side in (p, p)])
    reach = [d * (k - 1) + 1 for k, d in zip(w.shape[2:], g.dilation, strict=True)]
    size = [(n - r) // s + 1 for n, r, s in zip(padded.shape[2:], reach, g.stride, strict=True)]
    z = sum(_per_group("bgn...,gmn->bgm...", padded[places], w[k], g.groups) for k, places in _places(w, g, size))
    assert isinstance(z, Tensor)
    return z if b is None else z + b.reshape(-1, *(1,) * len(g.stride))


def filter_gradient(dz: Tensor, u: Tensor, w: Tensor, g: Geometry) -> Tensor:
    """∂J/∂W[k1, k2, n, m] = Σ_{i, j} ∂J/∂Z[i, j, m] U[i s + k1 d - p, j s + k2 d - p, n], summed over samples."""
    padded = F.pad(u, [side for p in reversed(g.padding) for side in (p, p)])
    dw = torch.zeros_like(w)
    for k, places in _places(w, g, dz.shape[2:]):
        grouped_u, grouped_dz = _grouped(padded[places], g.groups), _grouped(dz, g.groups)
        dw[k] = torch.einsum("bgmx,bgnx->gmn", grouped_dz.flatten(3), grouped_u.flatten(3)).reshape(w.shape[:2])
    return dw


def bias_gradient(dz: Tensor) -> Tensor:
    """∂J/∂b[m] = Σ_{i, j} ∂J/∂Z[i, j, m], summed over samples."""
    return dz.sum([0, *range(2, dz.ndim)])


def input_gradient(dz: Tensor, u_shape: Shape, w: Tensor, g: Geometry) -> Tensor:
    """∂J/∂U[i s + k1 d - p, j s + k2 d - p, n] collects Σ_m W[k1, k2, n, m] ∂J/∂Z[i, j, m].

    With stride 1 this is the full convolution of ∂J/∂Z with the flipped filters.
    """
    sizes = [n + 2 * p for n, p in zip(u_shape[2:], g.padding, strict=True)]
    padded = dz.new_zeros(u_shape[0], u_shape[1], *sizes)
    for k, places in _places(w, g, dz.shape[2:]):
        padded[places] += _per_group("bgm...,gmn->bgn...", dz, w[k], g.groups)
    inside: tuple[Any, ...] = tuple(slice(p, p + n) for n, p in zip(u_shape[2:], g.padding, strict=True))
    return padded[(..., *inside)]


def _places(w: Tensor, g: Geometry, size: Any) -> Iterator[tuple[Any, Any]]:
    """Each place k of the filters, and the places of the padded input that it meets."""
    for k in itertools.product(*(range(n) for n in w.shape[2:])):
        met = (
            slice(a * d, a * d + s * (n - 1) + 1, s) for a, d, s, n in zip(k, g.dilation, g.stride, size, strict=True)
        )
        yield (..., *k), (..., *met)


def _grouped(x: Tensor, groups: int) -> Tensor:
    return x.reshape(x.shape[0], groups, -1, *x.shape[2:])


def _per_group(equation: str, x: Tensor, w: Tensor, groups: int) -> Tensor:
    return torch.einsum(equation, _grouped(x, groups), w.reshape(groups, -1, w.shape[1])).flatten(1, 2)
