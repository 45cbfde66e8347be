"""Kernels of torch that mishandle some inputs, and what such inputs become before they get there."""

import dataclasses

from torch import Tensor

from convlens.graph.graph import Graph, Node, Ref

_CRASHES_CHANNELS_LAST = {"aten.group_norm.default", "aten.native_group_norm.default"}
"""Operators whose backward pass ends the process (torch 2.13, CPU: SIGSEGV) where the first argument lies channels last
in memory and needs no gradient, as stored features and images do. tests/transfer/test_kernels.py tries all others."""


def contiguous_unless_differentiated(x: Tensor) -> Tensor:
    """The tensor itself where it needs a gradient, or else in contiguous memory."""
    return x if x.requires_grad else x.contiguous()


def with_safe_inputs(graph: Graph) -> Graph:
    """The graph as it can be trained: what would crash a kernel is contiguous, all else stays as fast as it is."""
    nodes: list[Node] = []
    for node in graph.nodes:
        if node.operator in _CRASHES_CHANNELS_LAST:
            source = node.arguments[0]
            safe = _contiguous(graph.by_name[source.name], f"{node.name}_input")
            nodes.append(safe)
            node = dataclasses.replace(node, arguments=(Ref(safe.name), *node.arguments[1:]))
        nodes.append(node)
    return dataclasses.replace(graph, nodes=tuple(nodes))


def _contiguous(source: Node, name: str) -> Node:
    return Node(
        name=name,
        kind="operator",
        operator=f"transfer.{contiguous_unless_differentiated.__name__}",
        target=contiguous_unless_differentiated,
        arguments=(Ref(source.name),),
        shape=source.shape,
        dtype=source.dtype,
        module=source.module,
    )
