"""Normalization by the root of the mean square (Zhang & Sennrich 2019): over the last axes, without mean and shift.

Legend: r = 1 / √(mean(u²) + ε), û = u r, y = γ û; the mean over the n places of the last axes, one r for each rest.
"""

from math import prod
from typing import Any

import torch
from torch import Tensor

from convlens.ops.dense import selection_of
from convlens.ops.record import Backward, Gradients, Local, operator, reads_inputs, whole_along


def _normalize(u: Tensor, shape: Any, weight: Tensor | None = None, eps: float | None = None) -> tuple[Tensor, Tensor]:
    """y by torch's kernel, and r."""
    wide = u.to(torch.promote_types(u.dtype, torch.float32))
    least = torch.finfo(wide.dtype).eps if eps is None else eps
    inverse = torch.rsqrt(wide.square().mean(_axes(shape), keepdim=True) + least)
    return torch.rms_norm(u, shape, weight, eps), inverse


def _axes(shape: Any) -> list[int]:
    return [*range(-len(shape), 0)]


def _gradient(
    back: Backward, u: Tensor, shape: Any, weight: Tensor | None = None, eps: float | None = None
) -> Gradients:
    inverse, g = back.saved, back.upstream
    normalized = u * inverse
    scaled = g if weight is None else g * weight
    along = (scaled * normalized).mean(_axes(shape), keepdim=True)
    du = ((scaled - normalized * along) * inverse).to(u.dtype) if back.needs[0] else None
    if weight is None:
        return (du,)
    dweight = (g * normalized).reshape(-1, *weight.shape).sum(0).to(weight.dtype) if back.needs[1] else None
    return (du, dweight)


def _local_gradient(
    local: Local, u: Tensor, shape: Any, weight: Tensor | None = None, eps: float | None = None
) -> Tensor:
    """∂y_i/∂u_j = γ_i r (δ_ij - û_i û_j / n) for i and j that share their r, else 0; ∂y_i/∂γ = û_i where i uses γ."""
    normalized: Tensor = u * local.saved
    if weight is not None and local.wrt == 1:
        chosen = selection_of(weight, lambda values: values.expand(u.shape))
        return normalized.reshape(*u.shape, *(1,) * weight.ndim) * chosen
    flat, n = normalized.reshape(-1), prod(shape)
    block = torch.arange(len(flat)) // n
    shared = flat[:, None] * flat / n * (block[:, None] == block)
    scale: Tensor = local.saved.expand(u.shape) if weight is None else weight * local.saved
    rows: Tensor = scale.reshape(-1, 1) * (torch.eye(len(flat), dtype=u.dtype) - shared)
    return rows.reshape(u.shape * 2)


RMS_NORM = operator(
    "aten.rms_norm.default",
    _normalize,
    _gradient,
    _local_gradient,
    structure="normalization",
    formula="û = u / √(mean(u²) + ε), y = γ û, mean over the last axes;  with g = γ ∂J/∂y: "
    "∂J/∂u = (g - û mean(g û)) / √(mean(u²) + ε),  ∂J/∂γ = Σ ∂J/∂y û",
    latex=r"\hat u = \frac{u}{\sqrt{\overline{u^2} + \varepsilon}},\ y = \gamma \hat u, \quad "
    r"\frac{\partial J}{\partial u} = \frac{g - \hat u\,\overline{g \hat u}}{\sqrt{\overline{u^2} + \varepsilon}},\ "
    r"g = \gamma \frac{\partial J}{\partial y}, \quad "
    r"\frac{\partial J}{\partial \gamma} = \sum \frac{\partial J}{\partial y} \hat u",
    reads=reads_inputs(0, 1),
    window=lambda _output, u, shape, *_: whole_along(len(u), range(-len(shape), 0), kept=True),
)
