"""Embedding: rows of a table, chosen by integers."""

import torch
from torch import Tensor

from convlens.ops.dense import selection_of
from convlens.ops.record import Backward, Gradients, Local, NoRule, operator, plain, reads_inputs

aten = torch.ops.aten


def _gradient(
    back: Backward,
    table: Tensor,
    indices: Tensor,
    padding: int = -1,
    scale_by_frequency: bool = False,
    sparse: bool = False,
) -> Gradients:
    rows = aten.embedding_dense_backward(back.upstream, indices, table.shape[0], padding, scale_by_frequency)
    return rows, None


def _local_gradient(
    _: Local,
    table: Tensor,
    indices: Tensor,
    padding: int = -1,
    scale_by_frequency: bool = False,
    sparse: bool = False,
) -> Tensor:
    """One where the row was chosen; by torch's convention zero for the padding row, shared by frequent rows."""
    chosen = selection_of(table, lambda index: index[indices])
    share = (indices != padding).to(table.dtype)
    if scale_by_frequency:
        share = share / indices.reshape(-1).bincount()[indices]
    return share.reshape(*indices.shape, *(1,) * (chosen.ndim - indices.ndim)) * chosen


EMBEDDING = operator(
    "aten.embedding.default",
    plain(aten.embedding),
    _gradient,
    _local_gradient,
    structure="selection",
    formula="y_i = row t_i of the table W;  ∂J/∂W_r = Σ ∂J/∂y_i over the i with t_i = r",
    latex=r"y_i = W_{t_i}, \quad \frac{\partial J}{\partial W_r} = \sum_{i:\ t_i = r} \frac{\partial J}{\partial y_i}",
    reads=reads_inputs(1),
    window=NoRule("its input is a list of integers, not an image"),
)
