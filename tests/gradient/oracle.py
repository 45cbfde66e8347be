"""The oracle: our gradients of a whole module, its outputs and its buffers against autograd's."""

import copy

import torch
from torch import Tensor, nn

from convlens.gradient import Backpropagation, backpropagate
from convlens.graph.capture import capture

TOLERANCE = 1e-8


def relative_error(ours: Tensor, theirs: Tensor) -> float:
    """The largest difference relative to the largest element."""
    assert ours.shape == theirs.shape
    return float((ours - theirs).abs().max() / theirs.abs().max().clamp(min=1e-12))


def assert_equals_autograd(
    module: nn.Module, *inputs: Tensor, upstream: Tensor | None = None, free_batch: bool = True
) -> Backpropagation:
    """Our result, after comparing with a copy that autograd differentiates, from the same random numbers."""
    twin = copy.deepcopy(module)
    graph = capture(module, *inputs, free_batch=free_batch)
    torch.manual_seed(0)
    result = backpropagate(graph, *inputs, upstream=upstream)
    leaves = [x.detach().clone().requires_grad_(x.is_floating_point()) for x in inputs]
    torch.manual_seed(0)
    output = twin(*leaves)
    output.backward(torch.ones_like(output) if upstream is None else upstream)
    assert relative_error(result.outputs[0], output.detach()) <= TOLERANCE
    for name, parameter in twin.named_parameters():
        if parameter.grad is None:
            assert name not in result.parameters
        else:
            error = relative_error(result.parameters[name], parameter.grad)
            assert error <= TOLERANCE, f"∂J/∂{name} differs by {error:.2g}"
    for ours, leaf in zip(result.inputs, leaves, strict=True):
        if leaf.grad is None:
            assert ours is None
        else:
            assert ours is not None
            assert relative_error(ours, leaf.grad) <= TOLERANCE
    for (name, ours), theirs in zip(module.named_buffers(), twin.buffers(), strict=True):
        assert torch.equal(ours, theirs), f"the buffer {name} differs"
    return result
