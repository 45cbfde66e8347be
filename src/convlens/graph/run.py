"""Run a graph: the forward pass, one node after the other."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from convlens.core.errors import UsageError
from convlens.graph.graph import Graph, Ref, replace_references


def run(graph: Graph, *inputs: Tensor, state: Mapping[str, Tensor] | None = None) -> tuple[Tensor, ...]:
    """The graph's outputs for these inputs; autograd records when a parameter requires a gradient.

    `state` replaces tensors of `graph.state` by name (another number format, another memory format). A value is
    freed as soon as no later node reads it.
    """
    values = given_values(graph, *inputs, state=state)

    def value_of(ref: Ref) -> Any:
        return values[ref.name]

    for node in graph.operators:
        assert node.target is not None
        arguments = replace_references(node.arguments, value_of)
        keywords = {key: replace_references(value, value_of) for key, value in node.keywords.items()}
        values[node.name] = node.target(*arguments, **keywords)
        for name in graph.last_use.get(node.name, ()):
            del values[name]
    return tuple(values[name] for name in graph.outputs)


def given_values(graph: Graph, *inputs: Tensor, state: Mapping[str, Tensor] | None = None) -> dict[str, Any]:
    """What a pass starts from: the values of inputs, parameters, buffers and constants, by the names of their nodes."""
    if len(inputs) != len(graph.inputs):
        names = ", ".join(node.name for node in graph.inputs)
        raise UsageError(f"this graph takes {len(graph.inputs)} inputs ({names}), got {len(inputs)}")
    tensors = graph.state if state is None else {**graph.state, **state}
    values: dict[str, Any] = dict(zip((node.name for node in graph.inputs), inputs, strict=True))
    values.update((node.name, tensors[node.state]) for node in graph.nodes if node.state)
    return values
