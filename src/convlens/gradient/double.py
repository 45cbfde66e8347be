"""A graph in double precision."""

import dataclasses
from typing import Any

import torch
from torch import Tensor

from convlens.graph.graph import Graph, Node


def in_double(graph: Graph) -> Graph:
    """The same graph with copies of its state, and every floating number format in it, made double.

    What is one tensor under two names stays one tensor.
    """
    copies: dict[int, Tensor] = {}
    for tensor in graph.state.values():
        if id(tensor) not in copies:
            copies[id(tensor)] = _double_copy(tensor)
    return Graph(
        nodes=tuple(_double_node(node) for node in graph.nodes),
        outputs=graph.outputs,
        state={name: copies[id(tensor)] for name, tensor in graph.state.items()},
    )


def _double_copy(tensor: Tensor) -> Tensor:
    copy = tensor.detach().to(torch.float64 if tensor.is_floating_point() else tensor.dtype, copy=True)
    return copy.requires_grad_(tensor.requires_grad)


def _double_node(node: Node) -> Node:
    keywords = {key: _double(value) for key, value in node.keywords.items()}
    if _makes_default_format(node):
        keywords["dtype"] = torch.float64
    return dataclasses.replace(node, arguments=_double(node.arguments), keywords=keywords, dtype=_double(node.dtype))


def _makes_default_format(node: Node) -> bool:
    """Whether the operator makes floating numbers from sizes or Python's numbers, in torch's default format."""
    if not isinstance(node.target, torch._ops.OpOverload) or node.dtype is None or not node.dtype.is_floating_point:
        return False
    kinds = {argument.name: str(argument.type) for argument in node.target._schema.arguments}
    return "dtype" in kinds and not any("Tensor" in kind for kind in kinds.values())


def _double(value: Any) -> Any:
    """The argument with double in the place of other floating number formats."""
    if isinstance(value, torch.dtype):
        return torch.float64 if value.is_floating_point else value
    if isinstance(value, list | tuple):
        return type(value)(_double(item) for item in value)
    return value
