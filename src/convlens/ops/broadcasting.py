"""Broadcasting, and its gradient: what was repeated in the forward pass is summed in the backward pass."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from convlens.ops.record import Backward, Gradients, Shape


def sum_to(gradient: Tensor, shape: Shape) -> Tensor:
    """`gradient` summed over the axes along which `shape` was broadcast; the very same tensor where there are none."""
    if gradient.shape == shape:
        return gradient
    added = gradient.ndim - len(shape)
    stretched = [added + axis for axis, size in enumerate(shape) if size == 1 and gradient.shape[added + axis] != 1]
    axes = [*range(added), *stretched]
    return gradient.sum(axes, keepdim=True).reshape(shape) if axes else gradient.reshape(shape)


def broadcast_gradients(back: Backward, *terms: tuple[Any, Callable[[], Tensor]]) -> Gradients:
    """The gradients of operands that were broadcast against each other, numbers among them left out.

    Each term is an operand and the function that gives ∂J/∂operand in the shape of the output.
    """
    tensors = [(operand, rule) for operand, rule in terms if isinstance(operand, torch.Tensor)]
    return tuple(
        sum_to(rule(), operand.shape).to(operand.dtype) if needed else None
        for (operand, rule), needed in zip(tensors, back.needs, strict=True)
    )
