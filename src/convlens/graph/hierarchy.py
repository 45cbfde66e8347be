"""Hierarchy: the operators of a graph grouped by the modules that ran them, as boxes inside boxes.

A box is one call of a module: a stretch of operators in order of execution. A module that runs twice (a ReLU that a
block shares) gives two boxes, so that between boxes, too, everything flows forward. A box with one child only is
left out, and the child stands in its place.
"""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence

from convlens.graph.graph import Graph, Node

TOP, BOTTOM = "^", "$"
"""Where values enter a box from outside, and where they leave it."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Box:
    """One call of a module with what ran inside it, in order; a child is a node's name or another box's id."""

    id: str
    """The module's path and a slash, which no node's name ends with: layer1.0/, and layer1.0.relu#2/ for its second
    call. "" is the outermost."""
    module: str
    parent: str | None
    children: tuple[str, ...]
    edges: tuple[tuple[str, str], ...]
    """From child to child; from TOP for values that come from outside, to BOTTOM for those that are read outside."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Hierarchy:
    """All boxes by their ids, outermost first, and the box that each node stands in."""

    boxes: Mapping[str, Box]
    box_of: Mapping[str, str]


class _Open:
    """A box that is being filled."""

    def __init__(self, identity: str, module: str, parent: str | None) -> None:
        self.id, self.module, self.parent = identity, module, parent
        self.children: list[str] = []
        self.edges: dict[tuple[str, str], None] = {}


def hierarchy(graph: Graph) -> Hierarchy:
    """The boxes of a graph: its inputs and operators, but for those that only compute sizes."""
    shown = [node for node in graph.nodes if node.kind == "input" or (node.kind == "operator" and node.size is None)]
    boxes, box_of = _grouped(shown)
    _without_single_children(boxes, box_of)
    paths = {node.name: _path(node.name, boxes, box_of) for node in shown}
    for source, target in _flows(graph, shown):
        _connect(boxes, paths[source], paths[target])
    for name in graph.outputs:
        if name in paths:
            _leave(boxes, paths[name], [""])
            boxes[""].edges[paths[name][1], BOTTOM] = None
    return Hierarchy(
        boxes={
            box.id: Box(
                id=box.id,
                module=box.module,
                parent=box.parent,
                children=tuple(box.children),
                edges=tuple(box.edges),
            )
            for box in boxes.values()
        },
        box_of=box_of,
    )


def _grouped(nodes: Sequence[Node]) -> tuple[dict[str, _Open], dict[str, str]]:
    """Boxes by the module paths of the nodes; leaving a module closes its box, coming back opens a new one."""
    boxes = {"": _Open("", "", None)}
    box_of: dict[str, str] = {}
    calls: dict[str, int] = {}
    stack = [boxes[""]]
    for node in nodes:
        wanted = _prefixes(node.module if node.kind == "operator" else "")
        common = sum(1 for _ in _common(wanted, [box.module for box in stack[1:]])) + 1
        del stack[common:]
        for path in wanted[common - 1 :]:
            calls[path] = calls.get(path, 0) + 1
            identity = f"{path}/" if calls[path] == 1 else f"{path}#{calls[path]}/"
            boxes[identity] = _Open(identity, path, stack[-1].id)
            stack[-1].children.append(identity)
            stack.append(boxes[identity])
        stack[-1].children.append(node.name)
        box_of[node.name] = stack[-1].id
    return boxes, box_of


def _prefixes(path: str) -> list[str]:
    """a.b.c -> a, a.b, a.b.c."""
    parts = path.split(".") if path else []
    return [".".join(parts[: i + 1]) for i in range(len(parts))]


def _common(one: Sequence[str], other: Sequence[str]) -> Iterable[str]:
    for a, b in zip(one, other, strict=False):
        if a != b:
            return
        yield a


def _without_single_children(boxes: dict[str, _Open], box_of: dict[str, str]) -> None:
    for box in [box for box in boxes.values() if box.parent is not None and len(box.children) == 1]:
        (child,) = box.children
        parent = boxes[box.parent or ""]
        parent.children[parent.children.index(box.id)] = child
        if child in boxes:
            boxes[child].parent = parent.id
        else:
            box_of[child] = parent.id
        del boxes[box.id]


def _path(name: str, boxes: Mapping[str, _Open], box_of: Mapping[str, str]) -> list[str]:
    """The boxes around a node from the outermost on, and the node at the end."""
    path = [name]
    box: str | None = box_of[name]
    while box is not None:
        path.append(box)
        box = boxes[box].parent
    return path[::-1]


def _flows(graph: Graph, shown: Sequence[Node]) -> Iterable[tuple[str, str]]:
    """Which shown node's value reaches which, also through nodes that are not shown."""
    names = {node.name for node in shown}
    sources: dict[str, tuple[str, ...]] = {}
    for node in graph.nodes:
        reached = [origin for name in node.inputs for origin in ((name,) if name in names else sources.get(name, ()))]
        sources[node.name] = tuple(dict.fromkeys(reached)) if node.size is None else ()
        if node.name in names:
            yield from ((origin, node.name) for origin in sources[node.name])


def _connect(boxes: Mapping[str, _Open], source: list[str], target: list[str]) -> None:
    """The edge in the innermost box around both, and its way out of the source's boxes and into the target's."""
    depth = sum(1 for _ in _common(source, target))
    boxes[source[depth - 1]].edges[source[depth], target[depth]] = None
    _leave(boxes, source, source[:depth])
    for i in range(depth, len(target) - 1):
        boxes[target[i]].edges[TOP, target[i + 1]] = None


def _leave(boxes: Mapping[str, _Open], source: list[str], around: Sequence[str]) -> None:
    for i in range(len(around), len(source) - 1):
        boxes[source[i]].edges[source[i + 1], BOTTOM] = None
