"""Nodes and boxes of the page: what each is, what it costs, what went through it forward and backward."""

import dataclasses
from collections.abc import Collection, Mapping
from typing import Any, Literal

import torch
from torch import Tensor, nn

from convlens.core.errors import MachineError, UsageError
from convlens.core.explanation import (
    BoxLine,
    Contribution,
    FieldAxis,
    LocalGradient,
    NodeLine,
    ParameterLine,
)
from convlens.explanation.images import filter_tiles, strongest_maps
from convlens.explanation.statistics import numbers, rounded, statistics
from convlens.gradient.backpropagate import Backpropagation
from convlens.graph.cost import Cost
from convlens.graph.graph import Graph, Node, Ref
from convlens.graph.hierarchy import Box, Hierarchy
from convlens.graph.layout import layout
from convlens.graph.receptive_field import ReceptiveField, ReceptiveFields
from convlens.ops import TABLE

_MAPS_SHOWN, _MAP_SIDE = 8, 36
_FILTERS_SHOWN, _FILTER_SIDE = 64, 24
_MOST_NUMBERS = 64
_MOST_LOCAL_NUMBERS = 2048
MOST_UNFOLDED = 40
"""Nodes beyond which all modules are folded at first."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Work:
    """A network at work: its graph, both passes, and what is known of every node."""

    module: nn.Module
    graph: Graph
    hierarchy: Hierarchy
    result: Backpropagation
    costs: Cost
    fields: ReceptiveFields
    frozen: Collection[str] | None
    """Names of the parameters that a run's plan keeps fixed; None where there is no plan."""
    crossings: Collection[str]
    effective: Mapping[str, str]
    """Images of effective receptive fields by node."""


def node_lines(work: Work) -> list[NodeLine]:
    """All nodes that the page shows, in order of execution."""
    return [_node_line(work, node) for node in work.graph.nodes if node.name in work.hierarchy.box_of]


def box_lines(work: Work) -> list[BoxLine]:
    """All boxes, the outermost first; a small network is unfolded, of a large one the outermost box only."""
    small = len(work.hierarchy.box_of) <= MOST_UNFOLDED
    return [_box_line(work, box, unfolded=small or box.id == "") for box in work.hierarchy.boxes.values()]


def _box_line(work: Work, box: Box, *, unfolded: bool) -> BoxLine:
    placed = layout(box)
    inside = _nodes_inside(work.hierarchy, box)
    amounts = [work.costs.nodes[name] for name in inside if name in work.costs.nodes]
    return BoxLine(
        id=box.id,
        title=_below(box.module, work.hierarchy.boxes[box.parent].module if box.parent is not None else ""),
        kind=type(work.module.get_submodule(box.module)).__name__,
        parent=box.parent,
        layers=[list(layer) for layer in placed.layers],
        routes=[list(route) for route in placed.routes],
        parameters=sum(amount.parameters for amount in amounts),
        multiply_adds=sum(amount.multiply_adds for amount in amounts),
        activation_bytes=sum(amount.activation_bytes for amount in amounts),
        state=_state(work, [work.graph.by_name[name] for name in inside]),
        last=inside[-1],
        unfolded=unfolded,
    )


def _nodes_inside(hierarchy: Hierarchy, box: Box) -> list[str]:
    names: list[str] = []
    for child in box.children:
        names += _nodes_inside(hierarchy, hierarchy.boxes[child]) if child in hierarchy.boxes else [child]
    return names


def _below(path: str, parent: str) -> str:
    """What of a module's path its parent's does not say already."""
    return path.removeprefix(f"{parent}.") if parent else path


def _node_line(work: Work, node: Node) -> NodeLine:
    value, upstream = work.result.value(node), work.result.upstream(node)
    value, upstream = (x if isinstance(x, Tensor) and x.is_floating_point() else None for x in (value, upstream))
    amount = work.costs.nodes.get(node.name)
    box = work.hierarchy.boxes[work.hierarchy.box_of[node.name]]
    known = TABLE.get(node.operator)  # one that no gradient flows through needs no rules
    return NodeLine(
        id=node.name,
        title=_title(node, box),
        operator=node.operator,
        module=node.module,
        inputs=[name for name in dict.fromkeys(node.inputs) if name in work.hierarchy.box_of],
        shape=list(value.shape) if value is not None else [],
        parameters=amount.parameters if amount else 0,
        multiply_adds=amount.multiply_adds if amount else 0,
        activation_bytes=amount.activation_bytes if amount else 0,
        field=_field(work.fields.nodes.get(node.name)),
        formula=known.formula if known else "",
        arguments=_arguments(work.graph, node),
        source=_source(node),
        state=_state(work, [node]),
        cut=node.name in work.crossings,
        value=statistics(value) if value is not None else None,
        upstream=statistics(upstream) if upstream is not None else None,
        maps=_maps(value),
        upstream_maps=_maps(upstream),
        filters=_filters(work.graph, node),
        parameter_lines=_parameter_lines(work, node),
        contributions=_contributions(work, node),
        numbers=numbers(value, _MOST_NUMBERS) if value is not None else None,
        upstream_numbers=numbers(upstream, _MOST_NUMBERS) if upstream is not None else None,
        local_gradients=_local_gradients(work, node),
        effective_field=work.effective.get(node.name),
    )


def _title(node: Node, box: Box) -> str:
    """The module's name where the node is all of it, else the operator's."""
    if node.kind == "input":
        return node.name
    operator = node.operator.split(".")[1].removesuffix("_")
    if node.module == box.module:
        return operator
    name = _below(node.module, box.module)
    return f"{operator} ({name})" if name.isdigit() else name  # the numbers of a Sequential say nothing alone


def _source(node: Node) -> str:
    """The line of code, with the last two parts of its file's path: pages are handed on, folders are one's own."""
    file, colon, rest = node.source.partition(":")
    return "/".join(file.split("/")[-2:]) + colon + rest


def _field(field: ReceptiveField | None) -> list[FieldAxis] | str | None:
    if isinstance(field, tuple):
        return [FieldAxis(size=axis.size, stride=axis.stride, offset=axis.offset) for axis in field]
    return field if isinstance(field, str) else None


def _state(work: Work, nodes: list[Node]) -> Literal["frozen", "trained", "mixed", ""]:
    if work.frozen is None:
        return ""
    sources = [work.graph.by_name[name] for node in nodes for name in node.inputs]
    states = {source.state in work.frozen for source in sources if source.kind == "parameter"}
    if len(states) == 2:
        return "mixed"
    return "" if not states else "frozen" if states == {True} else "trained"


def _arguments(graph: Graph, node: Node) -> list[str]:
    if not isinstance(node.target, torch._ops.OpOverload):
        return []
    names = [argument.name for argument in node.target._schema.arguments]
    given = [*zip(names, node.arguments, strict=False), *node.keywords.items()]
    return [f"{name} = {_told(graph, value)}" for name, value in given]


def _told(graph: Graph, value: Any) -> str:
    if isinstance(value, Ref):
        source = graph.by_name[value.name]
        shape = "×".join(str(size) for size in source.shape or ())
        return f"{source.state or source.name}{f', {shape}' if shape else ''}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(_told(graph, item) for item in value)}]"
    return str(value)


def _maps(value: Tensor | None) -> Any:
    """The strongest maps of the first example."""
    if value is None or value.ndim < 3:
        return None
    return strongest_maps(value[0].detach().float(), _MAPS_SHOWN, _MAP_SIDE)


def _parameters(graph: Graph, node: Node) -> list[Node]:
    sources = [graph.by_name[name] for name in dict.fromkeys(node.inputs)]
    return [source for source in sources if source.kind == "parameter"]


def _filters(graph: Graph, node: Node) -> Any:
    for source in _parameters(graph, node):
        if (found := filter_tiles(graph.state[source.state].detach(), _FILTERS_SHOWN, _FILTER_SIDE)) is not None:
            return found
    return None


def _parameter_lines(work: Work, node: Node) -> list[ParameterLine]:
    lines = []
    for source in _parameters(work.graph, node):
        tensor, gradient = work.graph.state[source.state].detach(), work.result.parameters.get(source.state)
        lines.append(
            ParameterLine(
                name=source.state,
                shape=list(tensor.shape),
                norm=rounded(tensor.norm().item()),
                gradient_norm=rounded(gradient.norm().item()) if gradient is not None else None,
                numbers=numbers(tensor, _MOST_NUMBERS),
                gradient=numbers(gradient, _MOST_NUMBERS) if gradient is not None else None,
            )
        )
    return lines


def _contributions(work: Work, node: Node) -> list[Contribution]:
    """Only where paths join: with one reader, all comes from there."""
    found = work.result.contributions(node)
    if len(found) < 2:
        return []
    return [
        Contribution(through=name, norm=rounded(gradient.norm().item()), numbers=numbers(gradient, _MOST_NUMBERS))
        for name, gradient in found.items()
        if isinstance(gradient, Tensor)
    ]


def _local_gradients(work: Work, node: Node) -> list[LocalGradient]:
    value = work.result.value(node)
    if node.kind != "operator" or not isinstance(value, Tensor) or value.numel() > _MOST_NUMBERS:
        return []
    found = []
    for name in dict.fromkeys(node.inputs):
        source = work.result.value(name)
        if not isinstance(source, Tensor) or value.numel() * source.numel() > _MOST_LOCAL_NUMBERS:
            continue
        try:
            tensor = work.result.local_gradient(node, name)
        except (UsageError, MachineError):  # the table says that this operator has none for this input
            continue
        if isinstance(tensor, Tensor):
            shown = work.graph.by_name[name].state or name
            local = numbers(tensor, _MOST_LOCAL_NUMBERS)
            if local is not None:
                found.append(LocalGradient(wrt=shown, shape=list(tensor.shape), numbers=local))
    return found
