"""Axis orders: which axis of a node's value is the batch, which the channels, which a place.

Networks that normalize or multiply over the last axis exchange axes on the way, (N, C, H, W) to (N, H, W, C); what
reads a map must know where its channels are.
"""

from collections.abc import Mapping

import torch

from convlens.graph.graph import Graph, Node
from convlens.ops import TABLE

AxisOrder = tuple[int, ...]
"""For each axis of a value, the axis of (N, C, ...) that it is: (0, 2, 3, 1) has its channels last."""

_EXCHANGES = frozenset(
    f"aten.{name}"
    for name in ("permute.default", "transpose.int", "swapaxes.default", "movedim.int", "mT.default", "numpy_T.default")
)
_RESHAPES = frozenset(
    f"aten.{name}"
    for name in (
        *("view.default", "view_as.default", "reshape.default", "reshape_as.default"),
        *("flatten.using_ints", "unflatten.int", "unsqueeze.default"),
    )
)
_LINEAR = "aten.linear.default"
_MIXES = ("matrix", "attention", "loss")
"""Structures of operators that make new axes of those they read; a linear layer alone keeps the others."""


def axis_orders(graph: Graph) -> Mapping[str, AxisOrder]:
    """The axis order of every node that still has the axes of the graph's (first) input of shape (N, C, ...).

    A convolution has channels and places in order by definition. Nodes whose axes were merged, split, reduced or mixed
    are absent.
    """
    first = graph.inputs[0]
    orders = {first.name: tuple(range(len(first.shape or ())))}
    for node in graph.operators:
        order = _order(graph, node, orders) if node.size is None else None
        if order is not None:
            orders[node.name] = order
    return orders


def _order(graph: Graph, node: Node, orders: Mapping[str, AxisOrder]) -> AxisOrder | None:
    operator = TABLE.get(node.operator)
    rank = None if node.shape is None else len(node.shape)
    if operator is not None and operator.structure == "convolution" and rank is not None:
        return tuple(range(rank))
    known = {orders[name] for name in node.inputs if name in orders and rank in (None, len(orders[name]))}
    if operator is None or len(known) != 1:
        return None
    (order,) = known
    if node.operator in _EXCHANGES:
        return tuple(order[axis] for axis in _exchanged(node, len(order)))
    if node.operator in _RESHAPES:
        return order if graph.by_name[node.inputs[0]].shape == node.shape else None
    return None if operator.structure in _MIXES and node.operator != _LINEAR else order


def _exchanged(node: Node, rank: int) -> list[int]:
    """The axes of what the node reads in their new order: seen on a tensor whose sizes are all different."""
    assert node.target is not None
    told_apart = torch.empty(tuple(range(2, rank + 2)), device="meta")
    return [size - 2 for size in node.target(told_apart, *node.arguments[1:], **node.keywords).shape]
