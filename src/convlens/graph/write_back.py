"""Writes into a part of a tensor, as operators that make new values: what is written, and the whole with it put back.

`y[:, 2:4] = 0` writes into a view of y. The new y is `slice_scatter(y, 0, ...)`; through a view of a view the part is
put back into the inner one, and that into the outer one.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch

from convlens.core.errors import UsageError
from convlens.graph.graph import Node, Ref

aten = torch.ops.aten

_SAME_AGAIN = ("transpose.int", "swapaxes.default", "mT.default", "t.default", "numpy_T.default")
"""Views that are undone by the same operator."""
_RESHAPING = (
    *("alias.default", "squeeze.default", "squeeze.dim", "squeeze.dims", "unflatten.int", "unsqueeze.default"),
    *("view.default", "view_as.default"),
)
"""Views whose elements stay in their order."""
_PARTING = ("chunk.default", "split.Tensor", "split.sizes", "split_with_sizes.default", "tensor_split.sections")
_FILLS = ("aten.fill_.Scalar", "aten.zero_.default")
_ASSIGNS = ("aten.fill_.Tensor", "aten.copy_.default")


@dataclasses.dataclass(frozen=True, kw_only=True)
class PartOf:
    """A view as the program took it: the tensor that it is a part of, and how a new part is put back into that."""

    source: str
    put_back: Callable[[Ref, Ref], tuple[torch._ops.OpOverload, tuple[Any, ...]]]
    """From the whole and the new part to an operator and its arguments."""


def part_of(view: Node, views: Mapping[str, Node], traced: Mapping[str, Any]) -> PartOf | None:
    """How the view is a part of its source; None where nothing can be put back through it.

    `views` are the nodes of all views by name, `traced` the values, without elements, of all nodes by name.
    """
    name = view.operator.removeprefix("aten.")
    if view.operator == "python.getitem":
        parts = views.get(view.arguments[0].name)
        return None if parts is None else _part_of_list(parts, view.arguments[1], traced[parts.name])
    if not view.arguments or not isinstance(view.arguments[0], Ref):
        return None
    rest = view.arguments[1:]
    put_back = _ways().get(name)
    if put_back is None or any(isinstance(value, Ref) for value in rest if name not in _RESHAPING):
        return None
    return PartOf(source=view.arguments[0].name, put_back=lambda whole, part: put_back(whole, part, *rest))


def _part_of_list(parts: Node, index: int, values: Sequence[torch.Tensor]) -> PartOf | None:
    name = parts.operator.removeprefix("aten.")
    source = parts.arguments[0].name
    if name == "unbind.int":
        dim = parts.arguments[1] if len(parts.arguments) > 1 else 0
        return PartOf(source=source, put_back=lambda whole, part: _into_place(whole, part, dim, index))
    if name not in _PARTING:
        return None
    dim = parts.arguments[2] if len(parts.arguments) > 2 else 0
    lengths = [value.shape[dim] for value in values]
    if not all(isinstance(length, int) for length in lengths):
        return None
    start = sum(lengths[:index])
    return PartOf(
        source=source, put_back=lambda whole, part: _into_slice(whole, part, dim, start, start + lengths[index])
    )


def _into_slice(
    whole: Ref, part: Ref, dim: int = 0, start: int | None = None, end: int | None = None, step: int = 1
) -> tuple[torch._ops.OpOverload, tuple[Any, ...]]:
    return aten.slice_scatter.default, (whole, part, dim, start, end, step)


def _into_place(whole: Ref, part: Ref, dim: int, index: int) -> tuple[torch._ops.OpOverload, tuple[Any, ...]]:
    return aten.select_scatter.default, (whole, part, dim, index)


def _ways() -> Mapping[str, Callable[..., tuple[torch._ops.OpOverload, tuple[Any, ...]]]]:
    """How a part is put back, by the name of the view; each takes the whole, the part, and the view's arguments."""

    def same(name: str) -> Callable[..., Any]:
        packet, overload = name.split(".")
        return lambda _whole, part, *rest: (getattr(getattr(aten, packet), overload), (part, *rest))

    def permuted(_whole: Ref, part: Ref, order: Sequence[int]) -> Any:
        axes = [axis % len(order) for axis in order]
        return aten.permute.default, (part, sorted(range(len(axes)), key=lambda axis: axes[axis]))

    return {
        "slice.Tensor": _into_slice,
        "narrow.default": lambda whole, part, dim, start, length: _into_slice(whole, part, dim, start, start + length),
        "select.int": _into_place,
        "diagonal.default": lambda whole, part, *rest: (aten.diagonal_scatter.default, (whole, part, *rest)),
        "permute.default": permuted,
        "movedim.int": lambda _whole, part, source, destination: (aten.movedim.int, (part, destination, source)),
        **{name: same(name) for name in _SAME_AGAIN},
        **{name: lambda whole, part, *_: (aten.reshape_as.default, (part, whole)) for name in _RESHAPING},
    }


def assigns(node: Node) -> bool:
    """Whether an in-place operator overwrites all elements, whatever they were."""
    return node.operator in (*_FILLS, *_ASSIGNS)


def assigned(node: Node, old: torch.Tensor, new: torch.Tensor | None) -> tuple[Node, ...]:
    """The nodes, the last one under the name of `node`, that give what it assigns.

    `old` and `new` are the traced values of what is written over, and of what is written where that is a tensor.
    """
    written = node.arguments[0]
    if node.operator in _FILLS:
        value = node.arguments[1] if len(node.arguments) > 1 else 0
        return (_as(node, aten.full_like.default, (written, value)),)
    source = node.arguments[1]
    if not isinstance(source, Ref) or new is None:
        raise UsageError(f"cannot capture: {node.operator} writes something that is no tensor ({node.source})")
    before: tuple[Node, ...] = ()
    if new.dtype != old.dtype:
        converted = _as(node, aten.to.dtype, (source, old.dtype))
        before, source = (dataclasses.replace(converted, name=f"{node.name}_converted"),), Ref(f"{node.name}_converted")
    if new.shape == old.shape:
        return (*before, _as(node, aten.clone.default, (source,)))
    return (*before, _as(node, aten.expand_as.default, (source, written)))


def _as(node: Node, target: torch._ops.OpOverload, arguments: tuple[Any, ...]) -> Node:
    """The node with another operator."""
    return dataclasses.replace(node, target=target, operator=str(target), arguments=arguments, keywords={})
