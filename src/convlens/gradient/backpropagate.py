"""Backpropagation over a graph: a forward pass, then a backward pass by our own rule for each operator."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from convlens.core.errors import UsageError
from convlens.gradient.inspection import Inspection
from convlens.gradient.passes import Tape, backward, forward
from convlens.gradient.plan import differentiable_inputs, parameters, plan
from convlens.gradient.upstream import OUTSIDE, Upstream
from convlens.graph.graph import Graph, Node
from convlens.graph.run import given_values


@dataclasses.dataclass(frozen=True, kw_only=True)
class Backpropagation:
    """The outputs of the forward pass and the gradients of the backward pass.

    `parameters` maps names, those of `module.named_parameters()`, to gradients; a parameter that does not lead to an
    output, or does not require a gradient, is absent. `inputs` holds one gradient for each input of the graph, None
    where none was wanted or none flows. After `keep=True`, `value`, `upstream`, `contributions` and `local_gradient`
    answer for every node, given by name or as a Node.
    """

    outputs: tuple[Tensor, ...]
    parameters: Mapping[str, Tensor]
    inputs: tuple[Tensor | None, ...]
    inspection: Inspection | None = dataclasses.field(default=None, repr=False)

    def value(self, node: str | Node) -> Any:
        """The value of the node in the forward pass."""
        return self._kept.value(node)

    def upstream(self, node: str | Node) -> Any:
        """∂J/∂y at the node y, in the shape of y; None where no gradient flows."""
        return self._kept.upstream(node)

    def contributions(self, node: str | Node) -> Mapping[str, Any]:
        """What came back to the node through each node that reads it: their sum is its upstream gradient.

        For the input of a residual block, the shortcut and the residual branch. The key "output" stands for the
        upstream gradient that the caller gave, where the node is an output of the graph.
        """
        return self._kept.contributions(node)

    def local_gradient(self, node: str | Node, wrt: str | Node) -> Any:
        """The gradient tensor ∂y/∂u of the node's operator with respect to the node `wrt` that it reads.

        Its shape is `y.shape + u.shape`. Raises UsageError when the node does not read `wrt` or has no rule for it,
        MachineError when the tensor does not fit.
        """
        return self._kept.local_gradient(node, wrt)

    @property
    def _kept(self) -> Inspection:
        if self.inspection is None:
            raise UsageError(
                "the values and gradients inside the graph were freed on the way; call backpropagate with keep=True to "
                "look at single nodes."
            )
        return self.inspection


def backpropagate(
    graph: Graph,
    *inputs: Tensor,
    upstream: Tensor | Sequence[Tensor | None] | None = None,
    keep: bool = False,
    input_gradients: bool = True,
) -> Backpropagation:
    """The graph's outputs for these inputs, and the gradients of its parameters and inputs.

    `upstream` is ∂J/∂output, in the output's shape; a sequence of them where the graph has several outputs, None for
    one that J does not depend on. By default it is 1 everywhere, so that J is the sum of all outputs; of a loss it is
    the gradient of the loss.

    A value is freed as soon as nothing needs it, in either pass; with `keep` all stay for inspection. Gradients are
    computed for parameters that require them, and for inputs of floating dtype unless `input_gradients` is False, which
    spares the first layer's gradient with respect to images. A parameter under two names (tied weights) appears under
    the first, with the sum. A graph captured in training mode updates its running statistics once, as the module would.

    Raises UsageError for a wrong number of inputs and an upstream gradient of another shape; and, with its module and
    its line in the user's code, for what has no gradient rule here: an operator outside the table, complex numbers, a
    backward of its own (an autograd.Function, a hook).
    """
    sources = (*parameters(graph), *(differentiable_inputs(graph, inputs) if input_gradients else ()))
    tape = forward(plan(graph, sources, keep=keep), given_values(graph, *inputs), keep=keep)
    outputs = tuple(tape.values[name] for name in graph.outputs)
    given = given_upstream(graph, outputs, upstream)
    flow = Upstream(keep=keep)
    for name, gradient in zip(graph.outputs, given, strict=True):
        if gradient is not None:
            flow.add(name, gradient, reader=OUTSIDE)
    backward(tape, flow)
    return _result(graph, tape, flow, sources, given)


def given_upstream(
    graph: Graph, outputs: tuple[Tensor, ...], upstream: Tensor | Sequence[Tensor | None] | None
) -> tuple[Tensor | None, ...]:
    """One upstream gradient for each output: those given, checked, or ones."""
    if upstream is None:
        return tuple(torch.ones_like(y) if y.is_floating_point() else None for y in outputs)
    given = (upstream,) if isinstance(upstream, Tensor) else tuple(upstream)
    if len(given) != len(outputs):
        raise UsageError(
            f"this graph has {len(outputs)} outputs ({', '.join(graph.outputs)}), got {len(given)} upstream gradients; "
            "give one for each output, None for an output that is not to be differentiated."
        )
    for name, y, gradient in zip(graph.outputs, outputs, given, strict=True):
        if gradient is not None and (gradient.shape != y.shape or gradient.dtype != y.dtype):
            raise UsageError(
                f"the upstream gradient of {name} has shape {tuple(gradient.shape)} and dtype {gradient.dtype}; it "
                f"must have those of the output, {tuple(y.shape)} and {y.dtype}."
            )
    return given


def _result(
    graph: Graph, tape: Tape, flow: Upstream, sources: tuple[str, ...], given: tuple[Tensor | None, ...]
) -> Backpropagation:
    gradients = _apart({name: flow.take(name) for name in sources}, given)
    return Backpropagation(
        outputs=tuple(tape.values[name] for name in graph.outputs),
        parameters=_by_parameter(graph, gradients),
        inputs=tuple(gradients.get(node.name) for node in graph.inputs),
        inspection=Inspection(graph=graph, tape=tape, flow=flow) if tape.keep else None,
    )


def _apart(gradients: Mapping[str, Tensor | None], given: tuple[Tensor | None, ...]) -> dict[str, Tensor | None]:
    """The gradients, each in memory of its own: a rule may answer the upstream gradient itself, or a part of it."""
    taken = {g.untyped_storage().data_ptr() for g in given if g is not None}
    apart = dict(gradients)
    for name, gradient in gradients.items():
        if gradient is not None:
            storage = gradient.untyped_storage()
            if storage.data_ptr() in taken or storage.nbytes() != gradient.nbytes:
                apart[name] = gradient.clone()
            taken.add(storage.data_ptr())
    return apart


def _by_parameter(graph: Graph, gradients: Mapping[str, Tensor | None]) -> dict[str, Tensor]:
    sums: dict[str, Tensor] = {}
    for node in graph.nodes:
        gradient = gradients.get(node.name)
        if node.kind == "parameter" and gradient is not None:
            sums[node.state] = sums[node.state] + gradient if node.state in sums else gradient
    return sums
