"""Layout: the children of a box in layers from top to bottom, so that few edges cross.

Sugiyama, Tagawa, Toda: Methods for visual understanding of hierarchical system structures, IEEE SMC 11(2), 1981: layers
by the longest path, edges over several layers routed through places of their own, order by barycenters. Coordinates are
left to whoever draws, who knows how large each child is at the moment.
"""

import dataclasses
import itertools
from collections.abc import Mapping, Sequence

from convlens.graph.hierarchy import BOTTOM, TOP, Box

_SWEEPS = 4


@dataclasses.dataclass(frozen=True, kw_only=True)
class Layout:
    """Layers of children and of places that edges pass (named ~0, ~1 ...), left to right; edges as routes."""

    layers: tuple[tuple[str, ...], ...]
    routes: tuple[tuple[str, ...], ...]
    """Each edge from its source over the places that it passes to its target; TOP and BOTTOM at the ends."""


def layout(box: Box) -> Layout:
    """The layout of one box. Its children are given in an order in which all edges lead forward."""
    rank = _ranks(box)
    layers: list[list[str]] = [[] for _ in range(max(rank.values(), default=0) + 1)]
    for child in box.children:
        layers[rank[child]].append(child)
    routes = []
    passed = 0
    for source, target in box.edges:
        first = rank[source] + 1 if source != TOP else 0
        last = rank[target] if target != BOTTOM else len(layers)
        places = [f"~{passed + i}" for i in range(max(0, last - first))]
        passed += len(places)
        for level, place in enumerate(places, start=first):
            layers[level].append(place)
        routes.append((source, *places, target))
    return Layout(layers=tuple(map(tuple, _ordered(layers, routes))), routes=tuple(routes))


def _ranks(box: Box) -> dict[str, int]:
    """The length of the longest path to each child."""
    before: dict[str, list[str]] = {child: [] for child in box.children}
    for source, target in box.edges:
        if source != TOP and target != BOTTOM:
            before[target].append(source)
    rank: dict[str, int] = {}
    for child in box.children:
        rank[child] = max((rank[source] + 1 for source in before[child]), default=0)
    return rank


def _ordered(layers: list[list[str]], routes: Sequence[Sequence[str]]) -> list[list[str]]:
    """Each layer by the mean position of its neighbors, swept down and up."""
    above: dict[str, list[str]] = {}
    below: dict[str, list[str]] = {}
    for route in routes:
        for source, target in itertools.pairwise(route):
            above.setdefault(target, []).append(source)
            below.setdefault(source, []).append(target)
    for sweep in range(_SWEEPS):
        down = sweep % 2 == 0
        neighbors = above if down else below
        order = range(1, len(layers)) if down else range(len(layers) - 2, -1, -1)
        for level in order:
            other = layers[level - 1 if down else level + 1]
            _sort(layers[level], {name: i for i, name in enumerate(other)}, neighbors)
    return layers


def _sort(layer: list[str], position: Mapping[str, int], neighbors: Mapping[str, Sequence[str]]) -> None:
    own = {name: i for i, name in enumerate(layer)}

    def barycenter(name: str) -> float:
        found = [position[other] for other in neighbors.get(name, ()) if other in position]
        return sum(found) / len(found) if found else own[name]

    layer.sort(key=barycenter)
