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

from convlens.core.errors import UsageError
from convlens.graph.axis_order import AxisOrder, axis_orders
from convlens.graph.field import WHOLE_INPUT as WHOLE_INPUT
from convlens.graph.field import Field as Field
from convlens.graph.field import Unsupported as Unsupported
from convlens.graph.graph import Graph, Node
from convlens.graph.shapes import UnknownSizeError, arguments_in_shapes, shape_of
from convlens.graph.sight import Outcome, Sight, seen, sight_of_input
from convlens.ops import CONSTANT_OPERATORS, TABLE, NoRule, Seen, WholeInput

_BATCH = 1009
"""Shapes are worked out for a batch size that no other axis is likely to have."""


ReceptiveField = tuple[Field, ...] | Literal["whole input"] | Unsupported
"""One Field for each spatial axis; or every place sees the whole input; or it cannot be determined."""


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
    sight = sight_of_input(shape_of(first, _BATCH) or ())
    outcomes: dict[str, Outcome] = {first.name: sight}
    fields: dict[str, ReceptiveField] = {first.name: sight.field()}
    orders = axis_orders(graph)
    last_feature_map = None
    for node in graph.operators:
        reads = any(name in outcomes for name in node.inputs)
        if reads and node.size is None and node.operator not in CONSTANT_OPERATORS:
            window = _window(graph, node)
            outcome = outcomes[node.name] = _outcome(graph, node, window, outcomes)
            fields[node.name] = outcome.field() if isinstance(outcome, Sight) else outcome
            if not isinstance(window, WholeInput | NoRule) and _has_places(node, orders.get(node.name)):
                last_feature_map = node.name
    return ReceptiveFields(nodes=fields, last_feature_map=last_feature_map)


def _has_places(node: Node, order: AxisOrder | None) -> bool:
    """Whether a node has more than one place, in whatever order its axes are."""
    if node.shape is None:
        return False
    return any(size != 1 for size, axis in zip(node.shape, order or range(len(node.shape)), strict=True) if axis > 1)


def _outcome(graph: Graph, node: Node, window: Seen, outcomes: Mapping[str, Outcome]) -> Outcome:
    tensors = [name for name in node.inputs if graph.by_name[name].size is None]
    sources = [outcomes.get(name) for name in tensors]
    if WHOLE_INPUT in sources:
        return WHOLE_INPUT
    unsupported = next((source for source in sources if isinstance(source, Unsupported)), None)
    if unsupported is not None:
        return unsupported
    sights = [source if isinstance(source, Sight) else None for source in sources]
    outcome = seen(sights, window, None if isinstance(window, NoRule) else _output_shape(graph, node, tensors))
    place = f"{node.operator} ({node.module or 'outermost module'})"
    if isinstance(outcome, Unsupported) and outcome.reason not in {sight.reason for sight in sights if sight}:
        return Unsupported(f"{place}: {outcome.reason}")
    if isinstance(outcome, Sight) and outcome.reason not in {"", *(sight.reason for sight in sights if sight)}:
        return dataclasses.replace(outcome, reason=f"{place}: {outcome.reason}")
    return outcome


def _output_shape(graph: Graph, node: Node, tensors: Sequence[str]) -> tuple[int, ...] | None:
    """The node's shape; where it has several outputs, that of all that are read, None where theirs differ."""
    shape = shape_of(node, _BATCH)
    if shape is None:
        items = [item for item in graph.operators if item.operator == "python.getitem" and node.name in item.inputs]
        shapes_of_items = {shape_of(item, _BATCH) for item in items}
        shape = shapes_of_items.pop() if len(shapes_of_items) == 1 else None
    if shape is None and node.operator == "aten.broadcast_tensors.default":
        shapes = [shape_of(graph.by_name[name], _BATCH) or () for name in tensors]
        shape = tuple(torch.broadcast_shapes(*shapes))  # type: ignore[no-untyped-call]
    return shape


def _window(graph: Graph, node: Node) -> Seen:
    operator = TABLE.get(node.operator)
    if operator is None:
        return NoRule("it is not in the table of operators")
    if isinstance(operator.window, NoRule):
        return operator.window
    try:
        arguments, keywords = arguments_in_shapes(graph, node, _BATCH)
        window: Seen = operator.window(shape_of(node, _BATCH), *arguments, **keywords)
    except UnknownSizeError:
        return NoRule("a size or a number in it depends on values")
    except UsageError as refusal:  # of a call that the operator's rule does not take
        return NoRule(str(refusal))
    return window
