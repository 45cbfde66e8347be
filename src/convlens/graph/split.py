"""Split: the frozen prefix, the trainable suffix, and the tensors that cross from one to the other."""

import dataclasses
from collections.abc import Collection, Iterable

import torch

from convlens.core.errors import UsageError
from convlens.graph.graph import BATCH, Graph, Node, Ref


@dataclasses.dataclass(frozen=True, kw_only=True)
class Split:
    """A graph cut in two: `suffix(prefix(inputs))` is the whole.

    The prefix maps the inputs to the crossing tensors; the suffix takes these, in the same order, to the outputs.
    Every crossing tensor has the batch as its first axis, so its rows belong to single images.
    """

    prefix: Graph
    suffix: Graph

    @property
    def crossings(self) -> tuple[Node, ...]:
        """The nodes whose values cross the cut, as the prefix computes them."""
        return tuple(self.prefix.by_name[name] for name in self.prefix.outputs)


def split(graph: Graph, frozen: Collection[str]) -> Split:
    """The largest prefix of the graph whose outputs cannot change while only state outside `frozen` is trained.

    `frozen` holds dotted names of parameters. A node is fixed when all that it reads is fixed, and it is neither
    random nor in training mode. Few tensors cross: what can be had from other crossing tensors without parameters
    (a concatenation, a ReLU) is recomputed in the suffix.
    """
    prefix = _fixed_and_per_image(graph, frozen)
    while True:
        crossings, _ = _reach(graph, prefix)
        unfit = [name for name in crossings if not _has_rows_per_image(graph.by_name[name])]
        unfit = unfit or _cheaply_recomputed(graph, crossings)
        if not unfit:
            return split_at(graph, crossings)
        prefix -= set(unfit)


def split_at(graph: Graph, crossings: Iterable[str]) -> Split:
    """The graph cut at the named nodes: the prefix computes them, the suffix begins with them."""
    crossings = tuple(crossings)
    reached, needed = _reach(graph, set(crossings))
    stray = [node.name for node in graph.inputs if node.name in needed and node.name not in crossings]
    if stray or set(reached) != set(crossings):
        raise UsageError(f"the cut {list(crossings)} does not separate the outputs from the input {stray}")
    return Split(prefix=until(graph, crossings), suffix=_suffix(graph, crossings, needed))


def until(graph: Graph, names: Iterable[str], *, updates: bool = False) -> Graph:
    """The part of the graph that computes the named nodes, which are its outputs.

    With `updates` also all that changes buffers (running statistics, counters), which nothing reads.
    """
    outputs = tuple(names)
    needed = set(outputs)
    kept = []
    for node in reversed(graph.nodes):
        if node.name in needed or node.kind == "input" or (updates and node.mutates):
            needed.update(node.inputs)
            kept.append(node)
    nodes = tuple(reversed(kept))
    return Graph(nodes=nodes, outputs=outputs, state=_state_of(graph, nodes))


def same_place(graph: Graph, other: Graph, names: Iterable[str]) -> tuple[str, ...]:
    """Names, in `other`, of the nodes that `names` are in `graph`: same module, operator and occurrence.

    Meant for two captures of one network, in training and in evaluation mode, that agree on the frozen part.
    """
    positions = {node.name: key for key, node in _by_place(graph).items()}
    places = _by_place(other)
    return tuple(places[positions[name]].name for name in names)


def _by_place(graph: Graph) -> dict[tuple[str, str, int], Node]:
    seen: dict[tuple[str, str], int] = {}
    places = {}
    for node in graph.nodes:
        key = (node.module, node.operator)
        seen[key] = seen.get(key, -1) + 1
        places[(*key, seen[key])] = node
    return places


def _fixed_and_per_image(graph: Graph, frozen: Collection[str]) -> set[str]:
    """Names of the tensors that depend on the input, and on nothing that changes while training."""
    changing = {name for node in graph.operators for name in node.mutates}
    fixed: set[str] = set()
    per_image: set[str] = set()
    for node in graph.nodes:
        if node.kind == "operator":
            is_fixed = all(name in fixed for name in node.inputs) and not _varies(node)
        else:
            trained = node.kind == "parameter" and node.state not in frozen
            is_fixed = not trained and node.name not in changing
        if is_fixed:
            fixed.add(node.name)
        if node.kind == "input" or any(name in per_image for name in node.inputs):
            per_image.add(node.name)
    return {name for name in fixed & per_image if graph.by_name[name].size is None}


_VARIES_ONLY_WITH = ("train", "training", "dropout_p")
"""Arguments that make an operator random, or one of the batch's statistics, and that leave it fixed when 0 or False."""


def _varies(node: Node) -> bool:
    """Whether the operator gives another value on another run: random, or normalizing with the batch's statistics."""
    if not isinstance(node.target, torch._ops.OpOverload):
        return False
    schema = node.target._schema.arguments
    given = {**dict(zip((argument.name for argument in schema), node.arguments, strict=False)), **node.keywords}
    for argument in schema:
        if argument.name in _VARIES_ONLY_WITH:
            return bool(given.get(argument.name, argument.default_value))
    return torch.Tag.nondeterministic_seeded in node.target.tags or bool(node.mutates)


def _reach(graph: Graph, prefix: set[str]) -> tuple[tuple[str, ...], set[str]]:
    """Walk back from the outputs: the prefix nodes met first, and everything after them that is needed."""
    pending = [
        *graph.outputs,
        *(node.name for node in graph.operators if node.mutates and node.name not in prefix),
    ]
    needed: set[str] = set()
    met: set[str] = set()
    while pending:
        name = pending.pop()
        if name in prefix:
            met.add(name)
        elif name not in needed:
            needed.add(name)
            node = graph.by_name[name]
            if node.size != BATCH:  # the batch size is read off a crossing tensor
                pending.extend(node.inputs)
    return tuple(node.name for node in graph.nodes if node.name in met), needed


def _has_rows_per_image(node: Node) -> bool:
    return bool(node.shape) and node.shape[0] == BATCH and BATCH not in str(node.shape[1:])  # type: ignore[index]


def _cheaply_recomputed(graph: Graph, crossings: tuple[str, ...]) -> list[str]:
    """Crossing nodes that use no parameters and nothing of the images but other crossing tensors."""
    crossing = set(crossings)
    found = []
    for name in crossings:
        node = graph.by_name[name]
        sources = {source for source in node.inputs if graph.by_name[source].size != BATCH}
        if node.kind == "operator" and sources and sources <= crossing:
            found.append(name)
    return found


def _suffix(graph: Graph, crossings: tuple[str, ...], needed: set[str]) -> Graph:
    inputs = [_as_input(graph.by_name[name]) for name in crossings]
    nodes = [_batch_size_of(node, crossings) for node in graph.nodes if node.name in needed]
    kept = (*inputs, *nodes)
    return Graph(nodes=kept, outputs=graph.outputs, state=_state_of(graph, kept))


def _as_input(node: Node) -> Node:
    return Node(name=node.name, kind="input", operator="input", shape=node.shape, dtype=node.dtype, module=node.module)


def _batch_size_of(node: Node, crossings: tuple[str, ...]) -> Node:
    """A node that reads the batch size off the input reads it off the first crossing tensor instead."""
    if node.size != BATCH:
        return node
    return dataclasses.replace(
        node,
        operator="aten.sym_size.int",
        target=torch.ops.aten.sym_size.int,
        arguments=(Ref(crossings[0]), 0),
        keywords={},
    )


def _state_of(graph: Graph, nodes: Iterable[Node]) -> dict[str, torch.Tensor]:
    return {node.state: graph.state[node.state] for node in nodes if node.state}
