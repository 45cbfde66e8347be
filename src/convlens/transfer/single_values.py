"""Which layer, while it trains, normalizes by the statistics of a single value where a minibatch is one image."""

from collections.abc import Iterable
from math import prod

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from convlens.graph.graph import BATCH, Graph, Node

_BATCH_NORM = "aten.batch_norm.default"
_TRAINING = 5
"""The place of that flag among the operator's arguments."""


def normalizes_single_values(graphs: Iterable[Graph], head: nn.Module | None = None) -> str | None:
    """Path of a batch normalization in training mode that has one value per channel of each image; None for none.

    `head` are layers after the graphs, which read one vector per image.
    """
    for graph in graphs:
        for node in graph.operators:
            if node.operator == _BATCH_NORM and node.arguments[_TRAINING] and _has_one_place(graph, node):
                return node.module or "the network"
    parts = [] if head is None else list(head.modules())
    return "the head" if any(isinstance(part, _BatchNorm) for part in parts) else None


def _has_one_place(graph: Graph, node: Node) -> bool:
    shape = graph.by_name[node.inputs[0]].shape
    if shape is None or shape[0] != BATCH:
        return False
    places = [n for n in shape[2:] if isinstance(n, int)]
    return len(places) == len(shape[2:]) and prod(places) == 1
