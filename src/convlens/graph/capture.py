"""Capture: from a module or a function to a Graph, through torch.export."""

import dataclasses
import inspect
import re
import traceback
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.export import Dim, ExportedProgram, export
from torch.export.graph_signature import InputKind

from convlens.core.errors import UsageError
from convlens.graph.comparison import branches_noted, refuse_unless_equal
from convlens.graph.graph import BATCH, Graph, Kind, Node, Ref
from convlens.graph.inplace import Functional
from convlens.graph.own_backward import hooked_modules, own_backward, own_backward_marked
from convlens.graph.regions import no_grad_marked, write_out_regions
from convlens.graph.untraceable import refuse_untraceable, untraceable
from convlens.graph.user_frame import user_frame

_KINDS: Mapping[InputKind, Kind] = {
    InputKind.USER_INPUT: "input",
    InputKind.PARAMETER: "parameter",
    InputKind.BUFFER: "buffer",
    InputKind.CONSTANT_TENSOR: "constant",
}
_OUTLIVE_A_RUN = (InputKind.BUFFER, InputKind.CONSTANT_TENSOR)


def capture(
    target: nn.Module | Callable[..., Any], *example: Tensor, free_batch: bool | None = None, compare: bool = True
) -> Graph:
    """The computation graph of a module, in the mode (train or eval) that each of its submodules is in.

    `example` are inputs of the right shapes and dtypes; their values do not matter. With `free_batch` (the default
    for modules, not for plain functions) the first axis of every input is the batch, and the graph runs for any
    batch size. In-place operators become functional ones; running statistics are still updated in place.

    The graph is compared with the module before it is returned, at batches of 1, 2 and 3 where the batch is free:
    some forward passes of each. `compare=False` is for networks that tests hold to their graphs.

    Raises UsageError, with the construct and its place in the user's code, for what cannot be captured: control flow
    that depends on values or on the batch size, in-place changes of a part of a tensor, a fixed batch size.
    """
    module = target if isinstance(target, nn.Module) else _FunctionModule(target)
    free = isinstance(target, nn.Module) if free_batch is None else free_batch
    _check_example(example, free)
    example = _apart(example)
    refuse_untraceable(module, _name(module))
    with branches_noted() as branches:
        program = _export(module, example, free)
    lasting = {spec.arg.name for spec in program.graph_signature.input_specs if spec.kind in _OUTLIVE_A_RUN}
    write_out_regions(program.graph_module, lasting)
    graph = _graph_of(program, module, _batch_symbol(program, free))
    if compare:
        refuse_unless_equal(graph, module, _name(module), example, free_batch=free, branches=branches)
    return graph


def _check_example(example: tuple[Any, ...], free_batch: bool) -> None:
    for position, x in enumerate(example):
        place = f"cannot capture: example input {position}"
        if not isinstance(x, Tensor):
            raise UsageError(
                f"{place} is a {type(x).__name__}. Accepted: tensors, each as its own argument, as in capture(module, "
                "x, y); wrap a module that takes other things in one that takes these."
            )
        if free_batch and not x.ndim:
            raise UsageError(
                f"{place} has no axes, and the first axis of every input is the batch. Give it one, or pass "
                "free_batch=False."
            )


def _apart(example: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """The same, but a tensor that is given for two inputs is two: torch's exporter would take both inputs for one."""
    return tuple(
        tensor.clone() if any(tensor is earlier for earlier in example[:place]) else tensor
        for place, tensor in enumerate(example)
    )


class _FunctionModule(nn.Module):
    """A plain function of tensors, in the form that torch.export takes."""

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__()
        # Its frames are then recorded as those of a forward method are, for messages that name the line.
        self.function = fx.traceback.annotate_fn({})(function)
        self.__name__ = getattr(function, "__name__", type(function).__name__)

    def forward(self, *inputs: Tensor) -> Any:
        return self.function(*inputs)


def _export(module: nn.Module, example: tuple[Tensor, ...], free_batch: bool) -> ExportedProgram:
    # A batch of one would be taken as a fixed size.
    inputs = tuple(torch.cat([x, x]) if free_batch and x.shape[0] == 1 else x for x in example)
    sizes = tuple({0: Dim.DYNAMIC} if free_batch else {} for _ in inputs)
    try:
        with own_backward_marked(), no_grad_marked():
            return export(module, inputs, dynamic_shapes=_as_forward_takes_them(module, sizes))
    except Exception as error:
        raise untraceable(_name(module), error, user_frame(traceback.format_exception(error))) from error


def _name(module: nn.Module) -> str:
    name: str = getattr(module, "__name__", type(module).__name__)
    return name


def _as_forward_takes_them(module: nn.Module, sizes: tuple[Any, ...]) -> tuple[Any, ...]:
    """One entry for each argument by name, and one tuple for all that `*rest` collects."""
    kinds = [parameter.kind for parameter in inspect.signature(module.forward).parameters.values()]
    collects = inspect.Parameter.VAR_POSITIONAL
    num_named = kinds.index(collects) if collects in kinds else len(sizes)
    return (*sizes[:num_named], sizes[num_named:]) if len(sizes) > num_named else sizes


def _batch_symbol(program: ExportedProgram, free_batch: bool) -> str | None:
    if not free_batch:
        return None
    names = set(program.graph_signature.user_inputs)
    first = next(node for node in program.graph.nodes if node.name in names)
    return str(first.meta["val"].shape[0])


def _graph_of(program: ExportedProgram, module: nn.Module, batch: str | None) -> Graph:
    specifications = {spec.arg.name: spec for spec in program.graph_signature.input_specs}
    functional = Functional({name for name, spec in specifications.items() if spec.kind in _OUTLIVE_A_RUN})
    tensors = {**program.constants, **module_state(module)}
    first_name = _first_names(tensors)
    hooked = hooked_modules(module)
    nodes: list[Node] = []
    outputs: tuple[str, ...] = ()
    for fx_node in program.graph.nodes:
        if fx_node.op == "placeholder":
            spec = specifications[fx_node.name]
            node = _source_node(fx_node, spec.kind, first_name.get(spec.target or "", ""), batch)
            functional.source(node, fx_node)
            nodes.append(dataclasses.replace(node, own_backward=own_backward(fx_node, {})))
        elif fx_node.op == "call_function":
            node = dataclasses.replace(_operator_node(fx_node, batch), own_backward=own_backward(fx_node, hooked))
            node = functional.node(node, fx_node)
            nodes.extend((*functional.views_taken_again(), node))
        elif fx_node.op == "output":
            outputs = tuple(functional.current(item.name) for item in _flat(fx_node.args) if isinstance(item, fx.Node))
            nodes.extend(functional.views_taken_again())
        else:
            raise UsageError(
                f"cannot capture {type(module).__name__}: it holds the construct {fx_node.op} {fx_node.target!r} "
                "(control flow or a nested program), which is not one of tensor operators."
            )
    kept = _needed(nodes, outputs)
    state = {node.state: tensors[node.state] for node in kept if node.state}
    return Graph(nodes=kept, outputs=outputs, state=state)


def _source_node(fx_node: fx.Node, kind: InputKind, state: str, batch: str | None) -> Node:
    if kind not in _KINDS:
        raise UsageError(f"cannot capture: the input {fx_node.name} is a {kind.name}, which is not a tensor")
    shape, dtype, _ = _value_facts(fx_node.meta["val"], batch)
    module = state.rpartition(".")[0]
    return Node(
        name=fx_node.name,
        kind=_KINDS[kind],
        operator=_KINDS[kind],
        shape=shape,
        dtype=dtype,
        state=state,
        module=module,
    )


_NO_MODULE = "_empty_nn_module_stack_from_metadata_hook"
"""What torch writes instead of the modules where it has lost them, as for sizes that are asked for late."""


def _operator_node(fx_node: fx.Node, batch: str | None) -> Node:
    stack = fx_node.meta.get("nn_module_stack") or {}
    module = next(reversed(stack.values()))[0] if stack and _NO_MODULE not in stack else ""
    shape, dtype, size = _value_facts(fx_node.meta.get("val"), batch)
    target = fx_node.target
    if not (isinstance(target, torch._ops.OpOverload) or getattr(target, "__module__", "") in ("_operator", "math")):
        raise UsageError(
            f"cannot capture: {target} is not a tensor operator but a construct around some "
            f"({user_frame([fx_node.meta.get('stack_trace', '')]) or module}); take it out of the forward pass."
        )
    return Node(
        name=fx_node.name,
        kind="operator",
        operator=str(target) if isinstance(target, torch._ops.OpOverload) else f"python.{fx_node.target.__name__}",  # type: ignore[union-attr]
        target=target,  # type: ignore[arg-type]
        arguments=_arguments(fx_node.args),
        keywords={key: _arguments(value) for key, value in fx_node.kwargs.items()},
        shape=shape,
        dtype=dtype,
        size=size,
        module=module,
        source=user_frame([fx_node.meta.get("stack_trace") or ""]),
    )


def _arguments(value: Any) -> Any:
    if isinstance(value, fx.Node):
        return Ref(value.name)
    if isinstance(value, tuple):
        return tuple(_arguments(item) for item in value)
    if isinstance(value, list):
        return [_arguments(item) for item in value]
    return value


def _value_facts(value: Any, batch: str | None) -> tuple[tuple[int | str, ...] | None, torch.dtype | None, str | None]:
    """Shape, dtype and size expression of a fake value."""
    if isinstance(value, Tensor):
        return tuple(_dimension(n, batch) for n in value.shape), value.dtype, None
    if isinstance(value, torch.SymInt | torch.SymFloat | torch.SymBool | int | float):
        return None, None, str(_dimension(value, batch))
    return None, None, None


def _dimension(size: float | torch.SymInt | torch.SymFloat | torch.SymBool, batch: str | None) -> int | str:
    if isinstance(size, int):
        return size
    text = str(size)
    return re.sub(rf"\b{re.escape(batch)}\b", BATCH, text) if batch else text


def _flat(value: Any) -> list[Any]:
    if isinstance(value, tuple | list):
        return [leaf for item in value for leaf in _flat(item)]
    return [value]


def _needed(nodes: list[Node], outputs: tuple[str, ...]) -> tuple[Node, ...]:
    """Inputs, whatever leads to an output, and whatever changes state; the rest computes for nobody."""
    needed = set(outputs)
    kept = []
    for node in reversed(nodes):
        if node.name in needed or node.kind == "input" or node.mutates:
            needed.update(node.inputs)
            kept.append(node)
    return tuple(reversed(kept))


def _first_names(tensors: Mapping[str, Tensor]) -> dict[str, str]:
    """For each name, the first one of the same tensor: torch.export calls tied weights by their last."""
    first: dict[int, str] = {}
    return {name: first.setdefault(id(tensor), name) for name, tensor in tensors.items()}


def module_state(module: nn.Module) -> dict[str, Tensor]:
    """The module's own parameters and buffers, by dotted names; tied ones under each of their names."""
    return {
        **dict(module.named_parameters(remove_duplicate=False)),
        **dict(module.named_buffers(remove_duplicate=False)),
    }
