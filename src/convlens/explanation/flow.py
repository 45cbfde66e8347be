"""Gradient flow: how large the gradient is at every depth, and through which path it comes."""

import math

from torch import Tensor

from convlens.core.explanation import Flow, FlowPoint
from convlens.explanation.statistics import rounded
from convlens.gradient.backpropagate import Backpropagation
from convlens.graph.graph import Graph


def gradient_flow(name: str, graph: Graph, result: Backpropagation) -> Flow:
    """The root of the mean square of the upstream gradient at every operator that one reaches, by its depth."""
    operators = [node for node in graph.operators if node.size is None]
    points = []
    for position, node in enumerate(operators):
        upstream = result.upstream(node)
        if isinstance(upstream, Tensor):
            found = result.contributions(node)
            through = {reader: _rms(g) for reader, g in found.items() if isinstance(g, Tensor)}
            points.append(
                FlowPoint(
                    node=node.name,
                    depth=rounded(position / max(1, len(operators) - 1)),
                    size=_rms(upstream),
                    through=through if len(through) > 1 else {},
                )
            )
    return Flow(network=name, points=points)


def _rms(gradient: Tensor) -> float:
    return rounded(gradient.norm().item() / math.sqrt(max(1, gradient.numel())))
