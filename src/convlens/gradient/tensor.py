"""Gradient tensors of order M+N, and the chain rule as an inner product over the M indices between.

Legend: x of order N, y = f(x) of order M, z = g(y) of order K. (∂y/∂x)[i, j] = ∂y[i] / ∂x[j] for multi-indices i, j.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from convlens.core.errors import UsageError
from convlens.gradient.memory import refuse_unless_it_fits
from convlens.gradient.passes import Tape, backward, forward
from convlens.gradient.plan import plan
from convlens.gradient.upstream import OUTSIDE, Upstream
from convlens.graph.capture import capture
from convlens.graph.graph import Graph
from convlens.graph.run import given_values


def gradient_tensor(f: Callable[..., Any] | nn.Module | Graph, x: Tensor) -> Tensor:
    """The gradient tensor ∂f(x)/∂x of order M+N, in the shape `f(x).shape + x.shape`.

    `f` takes one tensor and gives one. It is captured for the shape of `x`, and each slice `[i, ...]` is one backward
    pass by our rules. A vector-valued function f(w) = (w₁ w₂, w₁² + w₃³) of three weights has the Jacobian matrix

    >>> f = lambda w: torch.stack([w[0] * w[1], w[0] ** 2 + w[2] ** 3])
    >>> gradient_tensor(f, torch.tensor([1.0, 2.0, 3.0]))
    tensor([[ 2.,  1.,  0.],
            [ 2.,  0., 27.]])

    Raises UsageError for integers, for several inputs or outputs and for operators without a rule, MachineError with
    the number of elements and bytes when the tensor would take more than a quarter of the memory.
    """
    if not x.is_floating_point():
        raise UsageError(
            f"there is no gradient with respect to integers: x has dtype {x.dtype}; convert it, x.float()."
        )
    graph = f if isinstance(f, Graph) else capture(f, x, free_batch=False)
    if len(graph.inputs) != 1 or len(graph.outputs) != 1:
        raise UsageError(
            f"a gradient tensor has one input and one output, this function has {len(graph.inputs)} and "
            f"{len(graph.outputs)}; fix the other inputs and choose one output, f = lambda x: g(x, a)[0]."
        )
    source, output = graph.inputs[0].name, graph.outputs[0]
    tape = forward(plan(graph, (source,), keep=True), given_values(graph, x), keep=True)
    refuse_unless_it_fits("the gradient tensor", tape.values[output].shape, x.shape, x.dtype)
    with torch.no_grad():
        return _all_slices(tape, output, source, x)


def chain(outer: Tensor, inner: Tensor, *, over: int) -> Tensor:
    """∂z/∂x by the tensor chain rule: the inner product of ∂z/∂y and ∂y/∂x over the `over` = M indices of y.

    (∂z/∂x)[k, j] = Σ_i (∂z/∂y)[k, i] (∂y/∂x)[i, j], i being a multi-index of M numbers. With y of shape
    (10, 20, 40) and x of shape (50, 30), the lecture's example, ∂y/∂x has order 5 and 12,000,000 elements; here each
    length is a tenth, and z is a scalar that depends on y:

    >>> dz_dy = torch.ones(1, 2, 4)
    >>> dy_dx = torch.ones(1, 2, 4, 5, 3)
    >>> chain(dz_dy, dy_dx, over=3).shape
    torch.Size([5, 3])

    Raises UsageError when the last M lengths of `outer` are not the first M of `inner`.
    """
    accepted = range(min(outer.ndim, inner.ndim) + 1)
    if over not in accepted:
        raise UsageError(
            f"over={over} shared indices, but the tensors have orders {outer.ndim} and {inner.ndim}; `over` is the "
            f"order of the value between them, from 0 to {accepted[-1]}."
        )
    last, first = tuple(outer.shape[outer.ndim - over :]), tuple(inner.shape[:over])
    if last != first:
        raise UsageError(
            f"the tensors do not share their indices: the last {over} lengths of outer are {last}, the first {over} of "
            f"inner are {first}. Give ∂z/∂y first, then ∂y/∂x, and over= the order of y."
        )
    product: Tensor = torch.tensordot(outer, inner, dims=over)
    return product


def _all_slices(tape: Tape, output: str, source: str, x: Tensor) -> Tensor:
    """One backward pass for each element of the output, from an upstream gradient of 1 there and 0 elsewhere."""
    y = tape.values[output]
    slices = x.new_zeros(y.numel(), *x.shape)
    for position, part in enumerate(slices):
        unit = torch.zeros_like(y, memory_format=torch.contiguous_format)
        unit.view(-1)[position] = 1
        flow = Upstream()
        flow.add(output, unit, reader=OUTSIDE)
        backward(tape, flow)
        gradient = flow.take(source)
        if gradient is not None:
            part.copy_(gradient)
    return slices.reshape((*y.shape, *x.shape))
