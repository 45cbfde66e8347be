"""Make in-place operators functional, or refuse where that would change the result.

`relu_(x)` becomes `relu(x)`, and every later reader of x reads the new value. A view of x that is read later would have
seen the change: it is taken once more, of the new value. What x itself is a view of, and other views of that, would
have seen it too; to read them later is refused.

Who shares memory is found in two ways, and either suffices: torch's traced values have storages, which are one where
theirs are one (through lists of views, views of views, and operators whose schema does not say so), and the schema of
an operator may allow a view where the traced one, of another memory layout, was a copy.

A buffer, and what is a view of one, is changed in place as the module does it: its new value is for the next run.
"""

import dataclasses
from collections.abc import Collection, Iterator
from typing import Any

import torch
from torch import Tensor, fx

from convlens.core.errors import UsageError
from convlens.graph.graph import Node, Ref, replace_references

_MAY_RETURN_ITS_INPUT = {
    "aten.alpha_dropout.default",
    "aten.broadcast_tensors.default",
    "aten.dropout.default",
    "aten.einsum.default",
    "aten.feature_alpha_dropout.default",
    "aten.feature_dropout.default",
    "aten.to.dtype",
    "aten.type_as.default",
}
"""Operators whose schema does not say that the result may be the input, or a view of it."""

_VIEWS = {
    f"aten.{name}"
    for name in (
        *("alias.default", "chunk.default", "detach.default", "diagonal.default", "expand.default", "mT.default"),
        *("movedim.int", "narrow.default", "numpy_T.default", "permute.default", "select.int", "slice.Tensor"),
        *("split.Tensor", "split.sizes", "split_with_sizes.default", "squeeze.default", "squeeze.dim", "squeeze.dims"),
        *("swapaxes.default", "t.default", "tensor_split.indices", "tensor_split.sections", "transpose.int"),
        *("unbind.int", "unflatten.int", "unsqueeze.default", "view.default", "view_as.default"),
    )
} | {"python.getitem"}
"""Operators whose value is a view whatever the memory layout, never a copy."""

_MAY_RETURN_ANY_INPUT = {"aten.broadcast_tensors.default", "aten.einsum.default"}


_TWINS = {"aten.bernoulli_.float": torch.ops.aten.bernoulli.p}
"""In-place operators whose functional twin has another name than their own without the underscore."""

_KEEP_STATISTICS = ("aten.batch_norm.default", "aten.instance_norm.default")


class Functional:
    """Rewrites operator nodes one after the other, in order of execution.

    Memory is known by the name of the node that made it, which is another one after each in-place operator: what was
    a view before is not one of the new value.
    """

    def __init__(self, buffers: Collection[str]) -> None:
        self._buffers = buffers
        self._current: dict[str, str] = {}
        self._memory: dict[str, frozenset[str]] = {}
        self._in_storage: dict[int, str] = {}
        self._perhaps: dict[str, frozenset[str]] = {}
        self._changed: dict[str, Node] = {}
        self._views: dict[str, Node] = {}
        self._again: list[Node] = []

    def current(self, name: str) -> str:
        """The node that now holds the value which the program calls `name`."""
        while name in self._current:
            name = self._current[name]
        if name in self._views and self._change_of(name) is not None:
            name = self._taken_again(name)
        self._refuse_stale(name)
        return name

    def views_taken_again(self) -> list[Node]:
        """The nodes that must run before those whose arguments were asked for since the last call."""
        again, self._again = self._again, []
        return again

    def source(self, traced: fx.Node) -> None:
        """Takes note of the memory of an input, a parameter or a buffer."""
        self._memory[traced.name] = self._in_storages(traced)

    def node(self, node: Node, traced: fx.Node) -> Node:
        """The node itself, reading current values, and functional where it was in-place."""
        if node.operator in _VIEWS:
            self._views[node.name] = node
        node = self._reading_current(node)
        written = _written(node)
        if written and (written != [0] or not isinstance(node.arguments[0], Ref)):
            raise UsageError(f"cannot capture: {node.operator} writes into an argument ({node.source})")
        if written:
            return self._rewritten(node, traced)
        self._memory[node.name] = self._note_shared(self._in_storages(traced), self._perhaps_shared(node, traced))
        return dataclasses.replace(node, mutates=_running_statistics(node))

    def _reading_current(self, node: Node) -> Node:
        return dataclasses.replace(
            node,
            arguments=replace_references(node.arguments, self._current_ref),
            keywords={key: replace_references(value, self._current_ref) for key, value in node.keywords.items()},
        )

    def _taken_again(self, name: str) -> str:
        """The name of the same view, of what its source is now."""
        view = dataclasses.replace(self._views[name], name=f"{name}_again")
        node = self._reading_current(view)
        self._again.append(node)
        self._views[node.name] = view
        self._memory[node.name] = self._memory[node.inputs[0]]
        self._current[name] = node.name
        return node.name

    def _current_ref(self, ref: Ref) -> Ref:
        return Ref(self.current(ref.name))

    def _in_storages(self, traced: fx.Node) -> frozenset[str]:
        """The memory of the traced values; what nobody has used before belongs to this node."""
        values = enumerate(_tensors(traced.meta.get("val")))
        new = {_storage(value): f"{traced.name}.{place}" if place else traced.name for place, value in values}
        return frozenset(self._in_storage.setdefault(storage, name) for storage, name in new.items())

    def _note_shared(self, own: frozenset[str], shared: frozenset[str]) -> frozenset[str]:
        """All memory that a value may lie in; its own may be the shared one, for every later view of it, too."""
        for name in own - shared:
            self._perhaps[name] = self._perhaps.get(name, frozenset()) | shared
        return frozenset().union(own, shared, *(self._perhaps.get(name, ()) for name in own | shared))

    def _perhaps_shared(self, node: Node, traced: fx.Node) -> frozenset[str]:
        """The memory that the value shares in another layout of its inputs, or as its schema does not say."""
        if not isinstance(node.target, torch._ops.OpOverload) or not shares_memory(node):
            return frozenset()
        formats = {value.dtype for value in _tensors(traced.meta.get("val"))}
        sources = traced.all_input_nodes if node.operator in _MAY_RETURN_ANY_INPUT else traced.all_input_nodes[:1]
        alike = [source for source in sources if getattr(source.meta.get("val"), "dtype", None) in formats]
        return frozenset().union(*(self._memory[self.current(source.name)] for source in alike))

    def _rewritten(self, node: Node, traced: fx.Node) -> Node:
        written = node.inputs[0]
        memory = self._memory[written]
        if memory <= {*self._buffers}:  # a buffer outlives the run, so that the change is to be seen in it
            self._memory[node.name] = memory
            return dataclasses.replace(node, mutates=tuple(memory))
        if not memory.isdisjoint(self._buffers):
            raise UsageError(
                f"cannot capture: {node.operator} changes a buffer or a copy of it, as its memory layout has it "
                f"({node.source}). Change the buffer itself, or a clone of it."
            )
        target = _same_value(node, traced)
        for name in memory:
            self._changed[name] = node
        self._current[written] = node.name
        self._memory[node.name] = frozenset({node.name})
        for value in _tensors(traced.meta.get("val")):
            self._in_storage[_storage(value)] = node.name
        arguments = _with_defaults(node, node.arguments)
        return dataclasses.replace(node, target=target, operator=str(target), arguments=arguments)

    def _change_of(self, name: str) -> Node | None:
        """The in-place operator that changed memory of this value after it was computed."""
        return next((self._changed[memory] for memory in self._memory[name] if memory in self._changed), None)

    def _refuse_stale(self, name: str) -> None:
        """Refuse to read a value whose memory an in-place operator changed behind its back."""
        change = self._change_of(name)
        if change is not None:
            raise UsageError(
                f"cannot capture: {change.operator} changes memory that {name} shares, and {name} is read afterwards "
                f"({change.source}). Write the new value into a new tensor instead of changing a part of an old one."
            )


def _written(node: Node) -> list[int]:
    """The places of the arguments that the operator writes into."""
    if not isinstance(node.target, torch._ops.OpOverload):
        return []
    arguments = node.target._schema.arguments
    return [i for i, argument in enumerate(arguments) if argument.alias_info and argument.alias_info.is_write]


def _tensors(value: Any) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _tensors(item)


def _storage(value: Tensor) -> int:
    identity: int = value.untyped_storage()._cdata
    return identity


def _same_value(node: Node, traced: fx.Node) -> torch._ops.OpOverload:
    """The operator that gives, as a new value, what the in-place one writes."""
    assert isinstance(node.target, torch._ops.OpOverload)
    target = _functional_twin(node.target)
    if target is None:
        raise UsageError(
            f"cannot capture: the in-place operator {node.operator} has no functional twin ({node.source}). "
            "Build the value with torch.where, torch.cat or torch.stack instead."
        )
    arguments, keywords = fx.map_arg((traced.args, traced.kwargs), lambda source: source.meta["val"])
    value, written = target(*_with_defaults(node, arguments), **keywords), traced.meta["val"]
    if value.dtype != written.dtype:
        raise UsageError(
            f"cannot capture: {node.operator} writes {value.dtype} into a tensor of {written.dtype} ({node.source}). "
            f"Convert to {written.dtype} before, or build a new tensor."
        )
    return target


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


def _with_defaults(node: Node, arguments: tuple[Any, ...]) -> tuple[Any, ...]:
    """All positional arguments: one that has its default is left out by torch, and the twin may have no default."""
    assert isinstance(node.target, torch._ops.OpOverload)
    positional = [argument for argument in node.target._schema.arguments if not argument.kwarg_only]
    missing = [argument for argument in positional[len(arguments) :] if argument.name not in node.keywords]
    return (*arguments, *(argument.default_value for argument in missing))


def shares_memory(node: Node) -> bool:
    """Whether the node's value may lie in the memory of its inputs."""
    if not isinstance(node.target, torch._ops.OpOverload):
        return True
    returns = node.target._schema.returns
    return node.operator in _MAY_RETURN_ITS_INPUT or any(value.alias_info is not None for value in returns)


def _running_statistics(node: Node) -> tuple[str, ...]:
    """The buffers that a batch or instance normalization updates when it uses the statistics of its input."""
    if node.operator not in _KEEP_STATISTICS or node.arguments[5] is not True:
        return ()
    return tuple(ref.name for ref in node.arguments[3:5] if isinstance(ref, Ref))
