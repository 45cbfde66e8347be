"""Fold: batch normalization in evaluation mode becomes part of the convolution before it.

With the statistics μ, σ² fixed, γ (w ∗ x + b − μ) / √(σ² + ε) + β is the convolution with the filters w γ / √(σ² + ε)
and the bias β + (b − μ) γ / √(σ² + ε): one pass over memory less for each.
"""

import collections
import dataclasses
from typing import Any

import torch
from torch import Tensor

from convlens.graph.graph import Graph, Node, Ref

_CONVOLUTION = "aten.conv2d.default"
_BATCH_NORM = "aten.batch_norm.default"


def fold_batch_norm(graph: Graph) -> Graph:
    """A graph for inference that computes the same up to rounding, with fewer operators."""
    readers = collections.Counter(name for node in graph.operators for name in node.inputs)
    nodes = {node.name: node for node in graph.nodes}
    state = dict(graph.state)
    for norm in graph.operators:
        convolution = _foldable_convolution(graph, norm, readers)
        if convolution is None:
            continue
        weight, bias = _folded(graph, convolution, norm)
        added = [_state_node(norm, "weight", weight), _state_node(norm, "bias", bias)]
        state |= {added[0].state: weight, added[1].state: bias}
        replaced = _with_state(convolution, norm, added)
        del nodes[convolution.name]
        # Insertion order is the order of execution: state first, the convolution where the normalization was.
        nodes = {**{node.name: node for node in added}, **nodes, norm.name: replaced}
    return _without_unread_state(Graph(nodes=tuple(nodes.values()), outputs=graph.outputs, state=state))


def _foldable_convolution(graph: Graph, norm: Node, readers: collections.Counter[str]) -> Node | None:
    if norm.operator != _BATCH_NORM or norm.arguments[5] is not False:
        return None
    source = graph.by_name[norm.inputs[0]]
    alone = readers[source.name] == 1 and source.name not in graph.outputs
    # Weights that are computed (standardized, divided by their norm) have values only when the graph runs.
    known = all(graph.by_name[name].state for name in (*source.inputs[1:], *norm.inputs[1:]))
    return source if source.operator == _CONVOLUTION and alone and known else None


def _folded(graph: Graph, convolution: Node, norm: Node) -> tuple[Tensor, Tensor]:
    def value(argument: Any) -> Tensor | None:
        return graph.state[graph.by_name[argument.name].state].detach().double() if isinstance(argument, Ref) else None

    filters, bias = value(convolution.arguments[1]), value((*convolution.arguments, None)[2])
    gamma, beta, mean, variance = (value(argument) for argument in norm.arguments[1:5])
    assert filters is not None
    assert mean is not None
    assert variance is not None
    scale = torch.rsqrt(variance + norm.arguments[7]) * (1.0 if gamma is None else gamma)
    shift = (0.0 if bias is None else bias) - mean
    folded_bias = shift * scale + (0.0 if beta is None else beta)
    dtype = convolution.dtype
    return (filters * scale.view(-1, 1, 1, 1)).to(dtype), folded_bias.to(dtype)


def _state_node(norm: Node, name: str, tensor: Tensor) -> Node:
    return Node(
        name=f"{norm.name}_folded_{name}",
        kind="constant",
        operator="constant",
        shape=tuple(tensor.shape),
        dtype=tensor.dtype,
        state=f"{norm.name}.folded_{name}",
        module=norm.module,
    )


def _with_state(convolution: Node, norm: Node, added: list[Node]) -> Node:
    source, _, *rest = convolution.arguments
    arguments = (source, Ref(added[0].name), Ref(added[1].name), *rest[1:])
    return dataclasses.replace(convolution, name=norm.name, arguments=arguments)


def _without_unread_state(graph: Graph) -> Graph:
    read = {name for node in graph.operators for name in node.inputs}
    nodes = tuple(node for node in graph.nodes if not node.state or node.name in read)
    return Graph(nodes=nodes, outputs=graph.outputs, state={n.state: graph.state[n.state] for n in nodes if n.state})
