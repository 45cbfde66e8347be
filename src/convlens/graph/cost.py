"""Cost: parameters, multiply-adds, and memory of activations and parameters, forward and backward.

One multiply-add counts as one. Only products with weights or keys are counted (convolution, linear, matrix product,
attention), as the field does when it says "4.1 GFLOPs for ResNet-50".
"""

import dataclasses
from collections.abc import Iterable, Mapping

import torch

from convlens.core.errors import UsageError
from convlens.graph.graph import Graph, Node
from convlens.graph.shapes import UnknownSizeError, arguments_in_shapes, shape_of
from convlens.ops import TABLE, NoRule
from convlens.ops.record import Rule
from convlens.ops.recurrent import COUNTED


@dataclasses.dataclass(frozen=True, kw_only=True)
class Amount:
    """What a node, a module or a whole network costs."""

    parameters: int = 0
    multiply_adds: int = 0
    backward_multiply_adds: int = 0
    activation_bytes: int = 0
    """Memory of the values that the operators compute; a view of another value takes none."""
    parameter_bytes: int = 0

    def __add__(self, other: "Amount") -> "Amount":
        pairs = zip(dataclasses.astuple(self), dataclasses.astuple(other), strict=True)
        return Amount(**dict(zip(_FIELDS, (a + b for a, b in pairs), strict=True)))


_FIELDS = tuple(field.name for field in dataclasses.fields(Amount))


@dataclasses.dataclass(frozen=True, kw_only=True)
class Cost:
    """The cost of every operator node, by name in order of execution, and of the whole.

    A parameter that several nodes read counts for the first. `unsupported` names operators that the table does not
    have, calls that an operator's rule does not take, and those whose sizes depend on values, as behind a mask: what
    they compute is not counted, and not taken for zero.
    """

    nodes: Mapping[str, Amount]
    modules: Mapping[str, str]
    """The module that each node belongs to."""
    unsupported: tuple[str, ...]

    @property
    def total(self) -> Amount:
        """The sum over all nodes."""
        return _sum(self.nodes.values())

    def of_module(self, path: str) -> Amount:
        """The sum over the nodes of a module and of all modules inside it; "" is the whole network."""
        inside = (name for name, module in self.modules.items() if not path or f"{module}.".startswith(f"{path}."))
        return _sum(self.nodes[name] for name in inside)


def cost(graph: Graph, batch: int = 1) -> Cost:
    """The cost of a forward pass, and of a backward pass to all parameters, for a batch of this size.

    The backward pass leaves out gradients that no parameter needs, such as that of the first layer's input.
    """
    trained = _trained(graph)
    counted: set[str] = set()
    nodes: dict[str, Amount] = {}
    unsupported: dict[str, None] = {}
    for node in graph.operators:
        known = node.operator in TABLE or node.operator in COUNTED
        if not known:
            unsupported[node.operator] = None
        own = [name for name in dict.fromkeys(node.inputs) if name not in counted]
        parameters = [name for name in own if graph.by_name[name].kind == "parameter"]
        counted.update(parameters)
        multiply_adds, activation_bytes = (0, 0), 0
        try:
            activation_bytes = _activation_bytes(node, batch)
            multiply_adds = _multiply_adds(graph, node, batch, trained)
        except UnknownSizeError:
            if known:
                unsupported[f"{node.operator} of a size that depends on values"] = None
        except UsageError as refusal:
            unsupported[str(refusal)] = None
        nodes[node.name] = _amount(graph, parameters, multiply_adds, activation_bytes)
    return Cost(
        nodes=nodes, modules={node.name: node.module for node in graph.operators}, unsupported=tuple(unsupported)
    )


def _amount(graph: Graph, parameters: list[str], multiply_adds: tuple[int, int], activation_bytes: int) -> Amount:
    numbers = [torch.Size(shape_of(graph.by_name[name], batch=1) or ()).numel() for name in parameters]
    bytes_each = [_itemsize(graph.by_name[name]) for name in parameters]
    return Amount(
        parameters=sum(numbers),
        multiply_adds=multiply_adds[0],
        backward_multiply_adds=multiply_adds[1],
        activation_bytes=activation_bytes,
        parameter_bytes=sum(n * size for n, size in zip(numbers, bytes_each, strict=True)),
    )


def _multiply_adds(graph: Graph, node: Node, batch: int, trained: set[str]) -> tuple[int, int]:
    """Forward and backward; 0 where the table says that there are none to count."""
    forward, backward = _rules(node.operator)
    output = shape_of(node, batch)
    arguments, keywords = arguments_in_shapes(graph, node, batch)
    needs = tuple(name in trained for name in node.inputs if graph.by_name[name].size is None)
    return (
        0 if isinstance(forward, NoRule) else forward(output, *arguments, **keywords),
        0 if isinstance(backward, NoRule) or not any(needs) else backward((needs, output), *arguments, **keywords),
    )


def _rules(operator: str) -> tuple[Rule[int] | NoRule, Rule[int] | NoRule]:
    """The rules that count an operator's multiply-adds; one that has none is listed as unsupported."""
    if (counts := COUNTED.get(operator)) is not None:
        return counts["multiply_adds"], counts["backward_multiply_adds"]
    if (known := TABLE.get(operator)) is not None:
        return known.multiply_adds, known.backward_multiply_adds
    unknown = NoRule("it is not in the table of operators")
    return unknown, unknown


def _trained(graph: Graph) -> set[str]:
    """Names of the values through which a gradient flows from an output to a parameter, the parameters included."""
    trained = {node.name for node in graph.nodes if node.kind == "parameter"}
    for node in graph.operators:
        if not _stops(node) and any(name in trained for name in node.inputs):
            trained.add(node.name)
    reached = set(graph.outputs)
    for node in reversed(graph.operators):
        if node.name in reached and not _stops(node):
            reached.update(node.inputs)
    return trained & reached


def _stops(node: Node) -> bool:
    """Whether no gradient comes through an operator, as through one that detaches or compares."""
    known = TABLE.get(node.operator)
    return known is not None and isinstance(known.gradient, NoRule)


def _activation_bytes(node: Node, batch: int) -> int:
    shape = shape_of(node, batch)
    return 0 if shape is None or _is_view(node) else torch.Size(shape).numel() * _itemsize(node)


def _is_view(node: Node) -> bool:
    if not isinstance(node.target, torch._ops.OpOverload):
        return False
    returns = node.target._schema.returns
    return bool(returns) and returns[0].alias_info is not None


def _itemsize(node: Node) -> int:
    return node.dtype.itemsize if node.dtype is not None else 0


def _sum(amounts: Iterable[Amount]) -> Amount:
    return sum(amounts, Amount())
