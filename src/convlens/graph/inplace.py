"""Make in-place operators functional, or refuse where that would change the result.

`relu_(x)` becomes `relu(x)`, and every later reader of x reads the new value. A view of x that is read later would have
seen the change: it is taken once more, of the new value. Where x itself is a view, its new value is put back into what
it is a view of (see `write_back`); where that is not possible, to read that later is refused.

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
from convlens.graph.functional_twin import functional_twin, with_defaults
from convlens.graph.graph import Node, Ref, replace_references
from convlens.graph.write_back import PartOf, assigned, assigns, part_of

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
        self._after: list[Node] = []
        self._nodes: dict[str, Node] = {}
        self._traced: dict[str, Any] = {}

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
        again, self._again, self._after = self._again, self._after, []
        return again

    def source(self, node: Node, traced: fx.Node) -> None:
        """Takes note of the memory of an input, a parameter or a buffer."""
        self._nodes[node.name] = node
        self._memory[traced.name] = self._in_storages(traced)

    def node(self, node: Node, traced: fx.Node) -> Node:
        """The node itself, reading current values, and functional where it was in-place."""
        self._traced[node.name] = traced.meta.get("val")
        if node.operator in _VIEWS:
            self._views[node.name] = node
        node = self._nodes[node.name] = self._functional(node, traced)
        return node

    def _functional(self, asked: Node, traced: fx.Node) -> Node:
        node = self._reading_current(asked)
        written = _written(node)
        if written and (written != [0] or not isinstance(node.arguments[0], Ref)):
            raise UsageError(f"cannot capture: {node.operator} writes into an argument ({node.source})")
        if written:
            return self._rewritten(node, asked.arguments[0].name, traced)
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
        self._traced[node.name] = self._traced[name]
        self._nodes[node.name] = node
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

    def _rewritten(self, node: Node, asked: str, traced: fx.Node) -> Node:
        """The functional node for an in-place one; `asked` is what the program calls the value that it writes into."""
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
        path = self._path(asked)
        wholes = [self.current(part.source) for _, part in path]
        value = self._value(node, traced)
        for name in memory:
            self._changed[name] = node
        owner = self._put_back(node, path, wholes)
        self._current[wholes[-1] if path else written] = owner
        self._memory[owner] = self._memory[node.name] = frozenset({owner})
        for one in _tensors(traced.meta.get("val")):
            self._in_storage[_storage(one)] = owner
        return value

    def _path(self, name: str) -> list[tuple[str, PartOf]]:
        """From a view to the tensor that it is a part of: the names of the views, and how each is put back.

        Empty for what is no view, and where a view on the way cannot be put back.
        """
        path = []
        while name in self._views:
            part = part_of(self._views[name], self._views, self._traced)
            if part is None:
                return []
            path.append((name, part))
            name = part.source
        return path

    def _value(self, node: Node, traced: fx.Node) -> Node:
        """The node that gives what the in-place one writes."""
        if assigns(node):
            source = traced.args[1] if len(traced.args) > 1 else None
            new = source.meta["val"] if isinstance(source, fx.Node) else None
            *before, value = assigned(node, traced.meta["val"], new)
            self._again.extend(before)
            self._nodes.update({one.name: one for one in before})
            return value
        target = functional_twin(node, traced)
        arguments = with_defaults(node, node.arguments)
        return dataclasses.replace(node, target=target, operator=str(target), arguments=arguments)

    def _put_back(self, node: Node, path: list[tuple[str, PartOf]], wholes: list[str]) -> str:
        """The name of the node that holds the whole after the write, which comes after `node`."""
        owner = node.name
        for number, ((_, part), whole) in enumerate(zip(path, wholes, strict=True)):
            target, arguments = part.put_back(Ref(whole), Ref(owner))
            owner = f"{node.name}_put_back_{number}"
            like = self._nodes[whole]
            put = dataclasses.replace(
                node,
                name=owner,
                target=target,
                operator=str(target),
                arguments=arguments,
                keywords={},
                shape=like.shape,
                dtype=like.dtype,
            )
            self._after.append(put)
            self._nodes[owner] = put
            self._memory[owner] = frozenset({owner})
        if path:
            self._views[node.name] = dataclasses.replace(self._views[path[0][0]], name=node.name)
        return owner

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
