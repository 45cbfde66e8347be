"""Softmax and log-softmax over one axis."""

import math
from typing import Any

import torch
from torch import Tensor

from convlens.ops.record import (
    POINTWISE,
    Local,
    Seen,
    Shape,
    operator,
    plain,
    reads_output,
    whole_along,
)

aten = torch.ops.aten


def _softmax_window(_output: Shape, u: Shape, dim: int, dtype: Any = None) -> Seen:
    return whole_along(len(u), (dim,), kept=True) if u else POINTWISE


def _along(rows: Tensor, dim: int) -> Tensor:
    """Rows ∂y_i/∂u_j of shape (..., n, n), with the softmax axis last, as a gradient tensor with that axis at `dim`."""
    others, n = rows.shape[:-2], rows.shape[-1]
    num_rows = math.prod(others)
    blocks = torch.zeros(num_rows, n, num_rows, n, dtype=rows.dtype, device=rows.device)
    blocks[range(num_rows), :, range(num_rows), :] = rows.reshape(num_rows, n, n)
    order = len(others) + 1
    dim = dim % order
    return blocks.reshape(*others, n, *others, n).movedim((order - 1, 2 * order - 1), (dim, order + dim))


def _softmax_local_gradient(local: Local, u: Tensor, dim: int, dtype: torch.dtype | None = None) -> Tensor:
    y = local.output.movedim(dim, -1)
    return _along(torch.diag_embed(y) - y.unsqueeze(-1) * y.unsqueeze(-2), dim)


SOFTMAX = operator(
    "aten.softmax.int",
    plain(torch.softmax),
    lambda back, u, dim, dtype=None: (
        aten._softmax_backward_data(back.upstream, back.output, dim, back.output.dtype).to(u.dtype),
    ),
    _softmax_local_gradient,
    structure="softmax",
    formula="y_i = exp(u_i) / Σ_j exp(u_j);  ∂y_i/∂u_j = y_i (δ_ij - y_j);  ∂J/∂u = y (∂J/∂y - Σ_j ∂J/∂y_j y_j)",
    latex=r"y_i = \frac{e^{u_i}}{\sum_j e^{u_j}}, \quad \frac{\partial y_i}{\partial u_j} = y_i (\delta_{ij} - y_j)",
    reads=reads_output,
    window=_softmax_window,
)


def _log_softmax_local_gradient(local: Local, u: Tensor, dim: int, dtype: torch.dtype | None = None) -> Tensor:
    p = local.output.movedim(dim, -1).exp()
    return _along(torch.eye(p.shape[-1], dtype=p.dtype, device=p.device) - p.unsqueeze(-2), dim)


LOG_SOFTMAX = operator(
    "aten.log_softmax.int",
    plain(torch.log_softmax),
    lambda back, u, dim, dtype=None: (
        aten._log_softmax_backward_data(back.upstream, back.output, dim, back.output.dtype).to(u.dtype),
    ),
    _log_softmax_local_gradient,
    structure="softmax",
    formula="y_i = u_i - log Σ_j exp(u_j);  ∂y_i/∂u_j = δ_ij - exp(y_j);  ∂J/∂u = ∂J/∂y - exp(y) Σ_j ∂J/∂y_j",
    latex=r"y_i = u_i - \log \sum_j e^{u_j}, \quad \frac{\partial y_i}{\partial u_j} = \delta_{ij} - e^{y_j}",
    reads=reads_output,
    window=_softmax_window,
)
