"""The local gradient tensor ∂y/∂u of order M+N in full, for small shapes, built from what kind of map y(u) is.

All results have shape `y.shape + u.shape`.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from convlens.ops.record import Local, Rule, Shape


def elementwise(derivative: Rule[Tensor]) -> Rule[Tensor]:
    """The rule for y_i = f(u_i): the derivative f'(u_i) on the diagonal, zero elsewhere.

    `derivative(Local, u, ...)` gives f'(u), in the shape of u.
    """

    def rule(local: Local, u: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        return diagonal(derivative(local, u, *args, **kwargs))

    return rule


def broadcast_elementwise(*derivatives: Callable[..., Tensor | float]) -> Rule[Tensor]:
    """The rule for y_i = f(u_i, v_i, ...) with broadcasting; one partial derivative for each argument of the operator.

    Arguments that are numbers have a derivative too, which is passed over.
    """

    def rule(local: Local, *args: Any, **kwargs: Any) -> Tensor:
        positions = [position for position, value in enumerate(args) if isinstance(value, Tensor)]
        operand = args[positions[local.wrt]]
        slope = torch.as_tensor(derivatives[positions[local.wrt]](*args, **kwargs), dtype=local.output.dtype)
        chosen = selection_of(operand, lambda index: index.expand(local.output.shape))
        return slope.expand(local.output.shape).reshape(local.output.shape + (1,) * operand.ndim) * chosen

    return rule


def diagonal(values: Tensor) -> Tensor:
    """The gradient tensor with `values` where both indices agree, of shape `values.shape * 2`."""
    return torch.diag(values.reshape(-1)).reshape(values.shape * 2)


def identity(shape: Shape, like: Tensor) -> Tensor:
    """The gradient tensor of y = u: δ_ij, of shape `shape * 2`."""
    return diagonal(like.new_ones(shape))


def selection_of(u: Tensor, move: Callable[[Tensor], Tensor]) -> Tensor:
    """The gradient tensor of an operator that only moves values: 1 where an output element came from an input element.

    `move` is applied to the positions of u's elements, counted from 1; a 0 in its result means "not from u".
    """
    return one_hot_rows(move(_positions(u)) - 1, u)


def selections_of(u: Tensor, cut: Callable[[Tensor], Any]) -> tuple[Tensor, ...]:
    """The same for an operator with several outputs: one gradient tensor for each."""
    return tuple(one_hot_rows(part - 1, u) for part in cut(_positions(u)))


def _positions(u: Tensor) -> Tensor:
    return torch.arange(1, u.numel() + 1, device=u.device).reshape(u.shape)


def one_hot_rows(origin: Tensor, u: Tensor) -> Tensor:
    """Rows with a single 1 at the flat position `origin` within u, or without any where `origin` is -1."""
    rows = origin.reshape(-1, 1) == torch.arange(u.numel(), device=u.device)
    return rows.to(u.dtype).reshape((*origin.shape, *u.shape))


def linear_map(u: Tensor, function: Callable[[Tensor], Tensor]) -> Tensor:
    """The gradient tensor of a linear map: its value at each basis tensor e_j of u's space is the slice [..., j]."""
    basis = torch.eye(u.numel(), dtype=u.dtype, device=u.device).reshape(-1, *u.shape)
    columns = torch.stack([function(e) for e in basis], dim=-1)
    return columns.reshape(columns.shape[:-1] + u.shape)
