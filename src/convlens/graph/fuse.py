"""Fuse: a ReLU becomes part of the convolution before it, in oneDNN's kernel: no pass over memory of its own."""

import collections
import dataclasses

import torch

from convlens.graph.graph import Graph, Node

_CONVOLUTION = "aten.conv2d.default"
_RELU = "aten.relu.default"
_DEFAULTS = (None, [1, 1], [0, 0], [1, 1], 1)
"""Bias, stride, padding, dilation and groups of a convolution that does not name them."""


def fuse_relu(graph: Graph) -> Graph:
    """A graph for inference in float32 on the CPU, that computes the same with fewer operators.

    Unchanged where torch is built without oneDNN. In bfloat16 the kernel refuses processors without such arithmetic.
    """
    if not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        return graph
    readers = collections.Counter(name for node in graph.operators for name in node.inputs)
    alone = {name for name, number in readers.items() if number == 1 and name not in graph.outputs}
    fused = {
        node.inputs[0]: node.name
        for node in graph.operators
        if node.operator == _RELU and node.inputs[0] in alone and graph.by_name[node.inputs[0]].operator == _CONVOLUTION
    }
    gone = set(fused.values())
    nodes = [
        _with_relu(node, fused[node.name]) if node.name in fused else node
        for node in graph.nodes
        if node.name not in gone
    ]
    return Graph(nodes=tuple(nodes), outputs=graph.outputs, state=graph.state)


def _with_relu(convolution: Node, name: str) -> Node:
    given = list(convolution.arguments)
    u, w, bias, stride, padding, dilation, groups = given + list(_DEFAULTS[len(given) - 2 :])
    target = torch.ops.mkldnn._convolution_pointwise.default
    return dataclasses.replace(
        convolution,
        name=name,
        operator=str(target),
        target=target,
        arguments=(u, w, bias, padding, stride, dilation, groups, "relu", [], ""),
    )
