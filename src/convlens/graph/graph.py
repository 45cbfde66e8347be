"""Graph and Node: a network as the operators that it runs, in order."""

import dataclasses
import functools
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal

import torch
from torch import Tensor

Kind = Literal["input", "parameter", "buffer", "constant", "operator"]
BATCH = "batch"
"""How the free batch size is written in a shape."""


@dataclasses.dataclass(frozen=True, slots=True)
class Ref:
    """Stands in a node's arguments for the value of the node of that name."""

    name: str

    def __repr__(self) -> str:
        return f"%{self.name}"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Node:
    """One value of the network: an input, a parameter or buffer, or what an operator computes.

    `shape` has integers, and text for what depends on the free batch size ("batch", "49*batch"); it is None for a
    size and for operators with several outputs. `size` is the expression of a node that computes a size, else None.
    """

    name: str
    kind: Kind
    operator: str
    """`aten.conv2d.default`, or the kind for nodes that compute nothing."""
    target: Callable[..., Any] | None = None
    arguments: tuple[Any, ...] = ()
    keywords: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    shape: tuple[int | str, ...] | None = None
    dtype: torch.dtype | None = None
    size: str | None = None
    state: str = ""
    """Dotted name of the parameter, buffer or constant."""
    module: str = ""
    """Path of the module that ran the operator, "" for the outermost."""
    source: str = ""
    """File, line and text of the user's code that led here."""
    mutates: tuple[str, ...] = ()
    """State that the operator changes when it runs (running statistics, batch counters)."""
    own_backward: str = ""
    """What gives another gradient there than the operator does (an autograd.Function, a hook), in words."""

    @functools.cached_property
    def inputs(self) -> tuple[str, ...]:
        """Names of the nodes whose values the operator reads, in the order of its arguments, repeats included."""
        return tuple(ref.name for ref in references((self.arguments, tuple(self.keywords.values()))))


@dataclasses.dataclass(frozen=True, kw_only=True)
class Graph:
    """A network as nodes in the order of execution, and the tensors that it owns.

    `state` maps dotted names to the module's own tensors (not copies): training them changes the module.
    """

    nodes: tuple[Node, ...]
    outputs: tuple[str, ...]
    state: Mapping[str, Tensor]

    @functools.cached_property
    def by_name(self) -> Mapping[str, Node]:
        """Nodes by name."""
        return {node.name: node for node in self.nodes}

    @property
    def inputs(self) -> tuple[Node, ...]:
        """The input nodes, in the order in which values are given."""
        return tuple(node for node in self.nodes if node.kind == "input")

    @property
    def operators(self) -> tuple[Node, ...]:
        """The nodes that compute, in order of execution."""
        return tuple(node for node in self.nodes if node.kind == "operator")

    @functools.cached_property
    def last_use(self) -> Mapping[str, tuple[str, ...]]:
        """For each operator, the values that nothing needs after it has run."""
        final: dict[str, str] = {}
        for node in self.operators:
            for name in node.inputs:
                final[name] = node.name
            final.setdefault(node.name, node.name)
        kept = set(self.outputs)
        ending: dict[str, list[str]] = {}
        for name, last in final.items():
            if name not in kept:
                ending.setdefault(last, []).append(name)
        return {last: tuple(names) for last, names in ending.items()}


def references(value: object) -> Iterator[Ref]:
    """Every Ref inside nested tuples and lists, in order."""
    if isinstance(value, Ref):
        yield value
    elif isinstance(value, tuple | list):
        for item in value:
            yield from references(item)


def replace_references(value: Any, replacement: Callable[[Ref], Any]) -> Any:
    """The same nested value with each Ref replaced."""
    if isinstance(value, Ref):
        return replacement(value)
    if isinstance(value, tuple | list):
        return type(value)(replace_references(item, replacement) for item in value)
    return value
