"""Receptive fields: which pixels of the input one place of each node can see.

Along one axis, place i of a node sees the pixels from `offset + i * stride` on, `size` of them. A window of kernel k,
stride s, padding p and dilation d makes of a field (size r, stride j, offset a) the field (r + (k - 1) d j, j s,
a - p j). Where branches meet, the field is the hull of theirs (Araujo, Norris, Sim: Computing receptive fields of
convolutional neural networks, Distill 2019).

Where an axis of length 1 is repeated, all places see the same: a field of stride 0. Where that meets a branch whose
places move, the hull is taken over all places of the axis, and has stride 0 too.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Literal

import torch

from convlens.graph.axis_order import AxisOrder, axis_orders
from convlens.graph.graph import Graph, Node
from convlens.graph.shapes import arguments_in_shapes, shape_of
from convlens.ops import TABLE, NoRule, WholeInput, Window
from convlens.ops.record import POINTWISE

_BATCH = 1009
"""Shapes are worked out for a batch size that no other axis is likely to have."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Field:
    """What one place sees along one axis, in pixels of the input; with stride 0 every place the same."""

    size: int
    stride: int
    offset: int

    def through(self, kernel: int, stride: int, padding: int, dilation: int) -> "Field":
        """The field of a window over places that have this field."""
        return Field(
            size=self.size + (kernel - 1) * dilation * self.stride,
            stride=self.stride * stride,
            offset=self.offset - padding * self.stride,
        )

    def over(self, length: int) -> "Field":
        """The hull of what the first `length` places see, for every place."""
        return Field(size=self.size + (length - 1) * self.stride, stride=0, offset=self.offset)


@dataclasses.dataclass(frozen=True)
class Unsupported:
    """No receptive field can be told here, and why."""

    reason: str


WHOLE_INPUT: Literal["whole input"] = "whole input"
ReceptiveField = tuple[Field, ...] | Literal["whole input"] | Unsupported
"""One Field for each spatial axis; or every place sees the whole input; or it cannot be told."""

_PIXEL = Field(size=1, stride=1, offset=0)


@dataclasses.dataclass(frozen=True, kw_only=True)
class ReceptiveFields:
    """The receptive field of every node that depends on the input, by name."""

    nodes: Mapping[str, ReceptiveField]
    last_feature_map: str | None
    """The last node with more than one place that no operator on the whole input made: before global pooling,
    flattening, or a convolution over all places."""

    @property
    def unsupported(self) -> Mapping[str, str]:
        """Nodes without an answer, with the reason."""
        return {name: field.reason for name, field in self.nodes.items() if isinstance(field, Unsupported)}


def receptive_field(graph: Graph) -> ReceptiveFields:
    """The receptive field of every node, with respect to the graph's (first) input of shape (N, C, ...)."""
    first = graph.inputs[0]
    fields: dict[str, ReceptiveField] = {first.name: (_PIXEL,) * (len(first.shape or ()) - 2)}
    orders = axis_orders(graph)
    last_feature_map = None
    for node in graph.operators:
        sources = {name: fields[name] for name in node.inputs if name in fields}
        if sources and node.size is None:
            window = _window(graph, node)
            fields[node.name] = _field(graph, node, window, sources)
            if isinstance(window, Window) and _has_places(node, orders.get(node.name)):
                last_feature_map = node.name
    return ReceptiveFields(nodes=fields, last_feature_map=last_feature_map)


def _has_places(node: Node, order: AxisOrder | None) -> bool:
    """Whether a node has more than one place, in whatever order its axes are."""
    if node.shape is None:
        return False
    return any(size != 1 for size, axis in zip(node.shape, order or range(len(node.shape)), strict=True) if axis > 1)


def _field(
    graph: Graph, node: Node, window: Window | WholeInput | NoRule, sources: Mapping[str, ReceptiveField]
) -> ReceptiveField:
    unsupported = next((source for source in sources.values() if isinstance(source, Unsupported)), None)
    if unsupported is not None:
        return unsupported
    if WHOLE_INPUT in sources.values():
        return WHOLE_INPUT
    if isinstance(window, NoRule):
        return Unsupported(f"{node.operator} ({node.module or 'outermost module'}): {window.reason}")
    if isinstance(window, WholeInput):
        return WHOLE_INPUT
    told = {name: source for name, source in sources.items() if isinstance(source, tuple)}
    hull = _hull([*(_over_repeated_axes(graph, node, told) if window == POINTWISE else told).values()])
    if isinstance(hull, Unsupported) or not window.kernel:
        return hull
    axes = [*zip(window.kernel, window.stride, window.padding, window.dilation, strict=True)]
    if len(axes) < len(hull):
        place = f"{node.operator} ({node.module or 'outermost module'})"
        return Unsupported(f"{place}: it keeps {len(axes)} of the {len(hull)} spatial axes apart")
    # The spatial axes are the last ones; those before them are channels, which an operator may treat as one more axis.
    return tuple(field.through(*axis) for field, axis in zip(hull, axes[len(axes) - len(hull) :], strict=True))


def _window(graph: Graph, node: Node) -> Window | WholeInput | NoRule:
    operator = TABLE.get(node.operator)
    if operator is None:
        return NoRule("it is not in the table of operators")
    if isinstance(operator.window, NoRule):
        return operator.window
    arguments, keywords = arguments_in_shapes(graph, node, _BATCH)
    seen: Window | WholeInput | NoRule = operator.window(shape_of(node, _BATCH), *arguments, **keywords)
    return seen


def _over_repeated_axes(
    graph: Graph, node: Node, sources: Mapping[str, tuple[Field, ...]]
) -> Mapping[str, tuple[Field, ...]]:
    """The fields that an elementwise operator reads, over all places of each axis along which one of them is repeated.

    Such an axis is one that has length 1 and is broadcast, here or before.
    """
    shapes = {name: shape_of(graph.by_name[name], _BATCH) for name in node.inputs}
    lengths = shape_of(node, _BATCH) or torch.broadcast_shapes(*filter(None, shapes.values()))  # type: ignore[no-untyped-call]
    own = {name: shapes[name] or lengths for name in sources}
    axes = range(-len(next(iter(sources.values()))), 0)
    repeated = {
        axis
        for name, field in sources.items()
        for axis in axes
        if own[name][axis] == 1 != lengths[axis] or field[axis].stride == 0
    }
    return {
        name: tuple(field[axis].over(own[name][axis]) if axis in repeated else field[axis] for axis in axes)
        for name, field in sources.items()
    }


def _hull(sources: Sequence[tuple[Field, ...]]) -> tuple[Field, ...] | Unsupported:
    """The smallest field that holds all of them, axis by axis."""
    if len({tuple(field.stride for field in source) for source in sources}) > 1:
        return Unsupported("branches of different strides meet")
    return tuple(_axis_hull(axis) for axis in zip(*sources, strict=True))


def _axis_hull(fields: tuple[Field, ...]) -> Field:
    start = min(field.offset for field in fields)
    end = max(field.offset + field.size for field in fields)
    return Field(size=end - start, stride=fields[0].stride, offset=start)
