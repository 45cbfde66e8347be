"""Make in-place operators functional, or refuse where that would change the result.

`relu_(x)` becomes `relu(x)`, and every later reader of x reads the new value. That is right as long as nothing else
shares x's memory: a view of x (or of what x is a view of) that is read later would have seen the change.

A buffer, and what is a view of one, is changed in place as the module does it: its new value is for the next run.
"""

import dataclasses
from collections.abc import Collection
from typing import Any

import torch

from convlens.core.errors import UsageError
from convlens.graph.graph import Node, Ref, replace_references

_MAY_RETURN_ITS_INPUT = {
    "aten.alpha_dropout.default",
    "aten.broadcast_tensors.default",
    "aten.dropout.default",
    "aten.einsum.default",
    "aten.feature_dropout.default",
    "aten.to.dtype",
    "aten.type_as.default",
}
"""Operators whose schema does not say that the result may be the input, or a view of it."""


_TWINS = {"aten.bernoulli_.float": torch.ops.aten.bernoulli.p}
"""In-place operators whose functional twin has another name than their own without the underscore."""

_KEEP_STATISTICS = ("aten.batch_norm.default", "aten.instance_norm.default")


class Functional:
    """Rewrites operator nodes one after the other, in order of execution."""

    def __init__(self, buffers: Collection[str]) -> None:
        self._buffers = buffers
        self._current: dict[str, str] = {}
        self._memory: dict[str, str] = {}
        self._changed: dict[str, Node] = {}

    def current(self, name: str) -> str:
        """The node that now holds the value which the program calls `name`."""
        while name in self._current:
            name = self._current[name]
        self._refuse_stale(name)
        return name

    def node(self, node: Node) -> Node:
        """The node itself, reading current values, and functional where it was in-place."""
        node = dataclasses.replace(
            node,
            arguments=replace_references(node.arguments, self._current_ref),
            keywords={key: replace_references(value, self._current_ref) for key, value in node.keywords.items()},
        )
        if not isinstance(node.target, torch._ops.OpOverload):
            return node
        schema = node.target._schema
        written = [
            i for i, argument in enumerate(schema.arguments) if argument.alias_info and argument.alias_info.is_write
        ]
        if written and written != [0]:
            raise UsageError(f"cannot capture: {node.operator} writes into an argument ({node.source})")
        if written:
            return self._rewritten(node)
        if shares_memory(node) and node.inputs:
            self._memory[node.name] = self._memory_of(node.inputs[0])
        return dataclasses.replace(node, mutates=_running_statistics(node))

    def _current_ref(self, ref: Ref) -> Ref:
        return Ref(self.current(ref.name))

    def _memory_of(self, name: str) -> str:
        return self._memory.get(name, name)

    def _rewritten(self, node: Node) -> Node:
        written = node.inputs[0]
        memory = self._memory_of(written)
        if memory in self._buffers:  # a buffer outlives the run, so that the change is to be seen in it
            self._memory[node.name] = memory
            return dataclasses.replace(node, mutates=(memory,))
        assert isinstance(node.target, torch._ops.OpOverload)
        target = _functional_twin(node.target)
        if target is None:
            raise UsageError(
                f"cannot capture: the in-place operator {node.operator} has no functional twin ({node.source}). "
                "Build the value with torch.where, torch.cat or torch.stack instead."
            )
        self._changed[memory] = node
        self._current[written] = node.name
        return dataclasses.replace(node, target=target, operator=str(target), arguments=_with_defaults(node))

    def _refuse_stale(self, name: str) -> None:
        """Refuse to read a value whose memory an in-place operator changed behind its back."""
        change = self._changed.get(self._memory_of(name))
        if change is not None:
            raise UsageError(
                f"cannot capture: {change.operator} changes memory that {name} shares, and {name} is read afterwards "
                f"({change.source}). Write the new value into a new tensor instead of changing a part of an old one."
            )


def _functional_twin(target: torch._ops.OpOverload) -> torch._ops.OpOverload | None:
    """The operator that gives what the in-place one writes: relu for relu_."""
    if str(target) in _TWINS:
        return _TWINS[str(target)]
    name = target._schema.name.removeprefix("aten::")
    packet = getattr(torch.ops.aten, name.removesuffix("_"), None)
    overload = target._overloadname or "default"
    if not name.endswith("_") or packet is None or overload not in packet.overloads():
        return None
    twin: torch._ops.OpOverload = getattr(packet, overload)
    return twin


def _with_defaults(node: Node) -> tuple[Any, ...]:
    """All positional arguments: one that has its default is left out by torch, and the twin may have no default."""
    assert isinstance(node.target, torch._ops.OpOverload)
    positional = [argument for argument in node.target._schema.arguments if not argument.kwarg_only]
    missing = [argument for argument in positional[len(node.arguments) :] if argument.name not in node.keywords]
    return (*node.arguments, *(argument.default_value for argument in missing))


def shares_memory(node: Node) -> bool:
    """Whether the node's value may lie in the memory of its inputs."""
    if not isinstance(node.target, torch._ops.OpOverload):
        return True
    returns = node.target._schema.returns
    return node.operator in _MAY_RETURN_ITS_INPUT or any(value.alias_info is not None for value in returns)


def _running_statistics(node: Node) -> tuple[str, ...]:
    """The buffers that a batch or instance normalisation updates when it uses the statistics of its input."""
    if node.operator not in _KEEP_STATISTICS or node.arguments[5] is not True:
        return ()
    return tuple(ref.name for ref in node.arguments[3:5] if isinstance(ref, Ref))
