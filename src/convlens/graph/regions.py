"""Regions of a traced program in which other rules hold: what they do is written out as operators.

torch.export keeps the operators under `torch.no_grad()`, and those under `torch.autocast`, as programs within the
program, which a call runs under these rules. Here they become part of the whole. Without gradients: what comes in is
detached. With autocast: the conversions that it would make are operators before the one that needs them.

Where both rules hold, torch.export forgets the former, so that what is computed without gradients is marked while the
module runs.
"""

import contextlib
from collections.abc import Callable, Collection, Iterator, Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor, fx
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from convlens.core.errors import UsageError
from convlens.graph.marks import in_function, mark, marked, traced
from convlens.graph.user_frame import user_frame

_AUTOCAST = "wrap_with_autocast"
_REGIONS = ("wrap_with_set_grad_enabled", _AUTOCAST)
_NO_GRAD = "no_grad"
"""The mark of what is computed without gradients."""
_CONVERT = ("type_as.default",)
_Autocasts = Mapping[str, Callable[[], torch.autocast]]
"""What is in force, by the device that it is for."""


@contextlib.contextmanager
def no_grad_marked() -> Iterator[None]:
    """While a module is traced: mark what is computed without gradients. Itself it begins with gradients."""
    with torch.enable_grad(), _MarkNoGrad():
        yield


class _MarkNoGrad(TorchFunctionMode):
    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        if torch.is_grad_enabled() or in_function():
            return func(*args, **(kwargs or {}))
        before = set(_nodes((args, kwargs)))
        result = func(*args, **(kwargs or {}))
        for node in _nodes((result, args)):
            if node not in before:
                mark(node, _NO_GRAD, "yes")
        return result


def _nodes(values: Any) -> Iterator[fx.Node]:
    nodes = (traced(one) for one in tree_leaves(values) if isinstance(one, Tensor))
    return (node for node in nodes if node is not None)


def write_out_regions(program: fx.GraphModule, buffers: Collection[str]) -> None:
    """Make all regions of a program, and those within them, part of it; `buffers` are its inputs without gradients.

    Raises UsageError where a tensor of outside is changed in place without gradients: autograd knows nothing of that,
    and gives the gradients of before.
    """
    _write_out_all(program, {})
    _detach(program.graph, buffers)


def _write_out_all(program: fx.GraphModule, autocasts: _Autocasts) -> None:
    if autocasts:
        _write_out_conversions(program.graph, autocasts)
    for call in [node for node in program.graph.nodes if _name(node) in _REGIONS]:
        region = getattr(program, str(_program(call).target))
        _write_out_all(region, _within(call, autocasts))
        _write_out(program.graph, call, region.graph)


def _name(node: fx.Node) -> str:
    return getattr(node.target, "__name__", "") if node.op == "call_function" else ""


def _program(call: fx.Node) -> fx.Node:
    """The argument of a call that names the program of its region."""
    return next(one for one in call.args if isinstance(one, fx.Node) and one.op == "get_attr")


def _within(call: fx.Node, autocasts: _Autocasts) -> _Autocasts:
    """What is in force inside a region."""
    if _name(call) != _AUTOCAST:
        return autocasts
    device, dtype, enabled = call.args[:3]
    others = {one: rule for one, rule in autocasts.items() if one != device}
    if not enabled:
        return others
    return {**others, str(device): partial(torch.autocast, device, dtype=dtype, cache_enabled=False)}  # type: ignore[arg-type]


def _write_out(graph: fx.Graph, call: fx.Node, region: fx.Graph) -> None:
    """Replace the call by the nodes of its region."""
    named = _program(call)
    given = iter(call.args[call.args.index(named) + 1 :])
    outer: dict[fx.Node, Any] = {}
    answers: list[Any] = []
    with graph.inserting_before(call):
        for node in region.nodes:
            if node.op == "placeholder":
                outer[node] = next(given)
            elif node.op == "output":
                answers = [outer.get(one, one) for one in tree_leaves(node.args)]
            else:
                outer[node] = graph.node_copy(node, lambda inner: outer[inner])
    for taken in list(call.users):
        taken.replace_all_uses_with(answers[taken.args[1]])  # type: ignore[index]
        graph.erase_node(taken)
    graph.erase_node(call)
    if not named.users:
        graph.erase_node(named)


def _detach(graph: fx.Graph, buffers: Collection[str]) -> None:
    """Detach what is computed with gradients where it is read without."""
    with_gradients: dict[fx.Node, fx.Node | None] = {}
    storages: set[int] = set()
    for node in list(graph.nodes):
        if marked(node, _NO_GRAD):
            _refuse_change(node, storages)
            for value in node.all_input_nodes:
                if value in with_gradients:
                    detached = with_gradients[value] = with_gradients[value] or _detached(graph, value, node)
                    node.replace_input_with(value, detached)
        elif _is_floating(node.meta.get("val")) and node.name not in buffers:
            with_gradients[node] = None
            storages.add(_storage(node))


def _is_floating(value: Any) -> bool:
    return isinstance(value, Tensor) and value.is_floating_point()


def _detached(graph: fx.Graph, value: fx.Node, reader: fx.Node) -> fx.Node:
    """The value without its gradient, at the place in the code of its first reader."""
    with graph.inserting_before(reader):
        detached = graph.call_function(torch.ops.aten.detach.default, (value,))
    detached.meta = {**reader.meta, "val": value.meta["val"]}
    return detached


def _refuse_change(node: fx.Node, storages: Collection[int]) -> None:
    changes = isinstance(node.target, torch._ops.OpOverload) and node.target._schema.is_mutable
    if changes and _storage(node.args[0]) in storages:
        place = user_frame([node.meta.get("stack_trace") or ""])
        raise UsageError(
            f"cannot capture: {node.target} changes a tensor in place under torch.no_grad(), behind the back of "
            f"autograd, whose gradients are those of before ({place}). Write the new value into a new tensor."
        )


def _storage(node: Any) -> int:
    return node.meta["val"].untyped_storage()._cdata  # type: ignore[no-any-return]


def _write_out_conversions(graph: fx.Graph, autocasts: _Autocasts) -> None:
    """Insert the conversions that autocast makes before the operators."""
    for node in list(graph.nodes):
        if isinstance(node.target, torch._ops.OpOverload) and (formats := _conversions(node, autocasts)):
            with graph.inserting_before(node):
                inserted = {one: _converted(graph, one, to) for one, to in formats.items()}
            node.args, node.kwargs = fx.map_arg((node.args, node.kwargs), partial(_replaced, inserted))


def _replaced(by: Mapping[fx.Node, fx.Node], node: fx.Node) -> fx.Node:
    return by.get(node, node)


def _conversions(node: fx.Node, autocasts: _Autocasts) -> Mapping[fx.Node, torch.dtype]:
    """The inputs of an operator that autocast converts, and to what; none of one that names a number format itself.

    Where an operator is made of others and it is their inputs that are converted, all of its own are: what lies between
    only moves elements.
    """
    if any(isinstance(one, torch.dtype) for one in tree_leaves((node.args, node.kwargs))) or _name(node) in _CONVERT:
        return {}
    inputs = {one: one.meta["val"] for one in node.all_input_nodes}
    args, kwargs = fx.map_arg((node.args, node.kwargs), lambda one: inputs[one])
    with contextlib.ExitStack() as in_force:
        for autocast in autocasts.values():
            in_force.enter_context(autocast())
        cast = in_force.enter_context(_Conversions())
        node.target(*args, **kwargs)  # type: ignore[operator]
    direct = {one: to for one, value in inputs.items() for source, to in cast.made if source is value}
    if direct or not cast.made:
        return direct
    to = cast.made[0][1]
    return {one: to for one, value in inputs.items() if _is_floating(value) and value.dtype != to}


def _converted(graph: fx.Graph, value: fx.Node, dtype: torch.dtype) -> fx.Node:
    converted = graph.call_function(torch.ops.aten.to.dtype, (value, dtype))
    converted.meta = {**value.meta, "val": value.meta["val"].to(dtype)}
    return converted


class _Conversions(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Notes which tensors are converted to which number format, in order."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.made: list[tuple[Any, torch.dtype]] = []

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        keywords = kwargs or {}
        if func is torch.ops.aten._to_copy.default and keywords.get("dtype") is not None:
            self.made.append((args[0], keywords["dtype"]))
        return func(*args, **keywords)
