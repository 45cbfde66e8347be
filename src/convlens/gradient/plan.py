"""What the passes do at each operator, settled before they run: where gradients flow, and how long values are kept."""

import dataclasses
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from convlens.core.errors import UsageError
from convlens.graph.graph import Graph, Node, replace_references
from convlens.graph.inplace import shares_memory
from convlens.ops import TABLE, NoRule
from convlens.ops.record import plain


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """One operator, and what the two passes do there.

    `gradient` is None where no gradient passes. `inputs` names the nodes of the operator's tensor inputs, in the order
    of the rule's answer, `needs` says which of their gradients are wanted. `spent_forward` and `spent_backward` name
    the values whose elements nothing reads any more after this step's forward or backward part.
    """

    node: Node
    forward: Callable[..., tuple[Any, Any]]
    gradient: Callable[..., tuple[Any, ...]] | None
    inputs: tuple[str, ...]
    needs: tuple[bool, ...]
    spent_forward: tuple[str, ...] = ()
    spent_backward: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The node's name."""
        return self.node.name

    def arguments(self, values: Mapping[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """The operator's arguments and keywords, with values in the places of references."""
        node = self.node
        arguments = replace_references(node.arguments, lambda ref: values[ref.name])
        keywords = {k: replace_references(v, lambda ref: values[ref.name]) for k, v in node.keywords.items()}
        return arguments, keywords


def plan(graph: Graph, sources: Collection[str], *, keep: bool = False) -> tuple[Step, ...]:
    """A step for each operator, in order of execution, for the gradients with respect to the nodes `sources`.

    With `keep` no value is ever spent. Raises UsageError for what lies between a source and an output and has another
    gradient than our rules give: an operator without a rule, complex numbers, a backward of its own, a hook.
    """
    passed = _passed(graph, sources)
    for node in graph.nodes:
        if node.name in passed:
            _refuse_unless_ruled(graph, node)
    steps = tuple(_step(graph, node, passed) for node in graph.operators)
    return steps if keep else _with_lifetimes(graph, steps)


def parameters(graph: Graph) -> tuple[str, ...]:
    """Names of the nodes that are parameters which require a gradient."""
    return tuple(n.name for n in graph.nodes if n.kind == "parameter" and graph.state[n.state].requires_grad)


def differentiable_inputs(graph: Graph, inputs: Sequence[Tensor]) -> tuple[str, ...]:
    """Names of the input nodes that are given numbers which are no integers."""
    return tuple(n.name for n, x in zip(graph.inputs, inputs, strict=False) if _is_continuous(x.dtype))


def _passed(graph: Graph, sources: Collection[str]) -> set[str]:
    """The nodes through which a gradient passes from an output to a source."""
    depending, reached = set(sources), set(sources)
    for node in graph.operators:
        if not depending.isdisjoint(node.inputs):
            depending.add(node.name)
            # A backward of its own may pass on a gradient where the operators of the forward stop it.
            if node.own_backward or (not reached.isdisjoint(node.inputs) and not _stops(node)):
                reached.add(node.name)
    passed = reached & set(graph.outputs)
    for node in reversed(graph.operators):
        if node.name in passed:
            passed |= reached & set(node.inputs)
    return passed


def _stops(node: Node) -> bool:
    """Whether the derivative is zero or left out on purpose: sizes, integers, comparisons, detach."""
    known = TABLE.get(node.operator)
    discrete = node.size is not None or (node.dtype is not None and not _is_continuous(node.dtype))
    return discrete or (known is not None and isinstance(known.gradient, NoRule))


def _is_continuous(dtype: torch.dtype) -> bool:
    return dtype.is_floating_point or dtype.is_complex


def _refuse_unless_ruled(graph: Graph, node: Node) -> None:
    """UsageError for a node with another gradient than our rules give."""
    if node.own_backward:
        raise UsageError(
            f"cannot differentiate: {node.own_backward} in {_place(node)} may give any gradient, and a captured graph "
            "has none of it. Write it with torch's operators alone, detach its input, or use autograd on the module."
        )
    if node.kind == "parameter" and graph.state[node.state]._backward_hooks:
        raise UsageError(
            f"cannot differentiate: a hook on the parameter {node.state} may change its gradient, and a captured graph "
            "does not run it. Remove the hook, or use autograd on the module."
        )
    if any(one.dtype is not None and one.dtype.is_complex for one in (node, *(graph.by_name[n] for n in node.inputs))):
        raise UsageError(
            f"cannot differentiate: {node.operator} in {_place(node)} computes with complex numbers, and our rules are "
            "for real ones. Write it with real and imaginary parts, or detach its input if no gradient is wanted there."
        )
    if node.kind == "operator" and node.operator not in TABLE:
        raise UsageError(
            f"cannot differentiate: the operator {node.operator} in {_place(node)} has no gradient rule. "
            "Rewrite that line with operators of convlens.ops.TABLE, or detach its input if no gradient is wanted "
            "there."
        )


def _place(node: Node) -> str:
    module = f"module {node.module!r}" if node.module else "the outermost module"
    return f"{module} ({node.source})" if node.source else module


def _step(graph: Graph, node: Node, passed: Collection[str]) -> Step:
    inputs = tuple(name for name in node.inputs if graph.by_name[name].size is None)
    known = TABLE.get(node.operator)
    gradient = None
    if node.name in passed:
        assert known is not None
        assert not isinstance(known.gradient, NoRule)
        gradient = known.gradient
    needs = tuple(name in passed for name in inputs)
    return Step(node=node, forward=_forward(node), gradient=gradient, inputs=inputs, needs=needs)


def _forward(node: Node) -> Callable[..., tuple[Any, Any]]:
    known, target = TABLE.get(node.operator), node.target
    if known is not None and not node.mutates:
        return known.forward
    if known is not None and known.updating_forward is not None:
        return known.updating_forward
    assert target is not None
    return lambda *args, **kwargs: (target(*args, **kwargs), None)


def _with_lifetimes(graph: Graph, steps: tuple[Step, ...]) -> tuple[Step, ...]:
    """The steps, each with the values that are spent there, and in place where that writes over a spent value.

    Outputs are never spent: the caller receives them.
    """
    computed = {step.name for step in steps if step.node.size is None} - set(graph.outputs)
    first_reader: dict[str, str] = {}
    for step in steps:
        for name in _read_backward(step):
            first_reader.setdefault(name, step.name)
    spent_backward: dict[str, list[str]] = {}
    for name, reader in first_reader.items():
        if name in computed:
            spent_backward.setdefault(reader, []).append(name)
    forward_only = computed - first_reader.keys()
    lasting = tuple(
        dataclasses.replace(
            step,
            spent_forward=tuple(n for n in graph.last_use.get(step.name, ()) if n in forward_only),
            spent_backward=tuple(spent_backward.get(step.name, ())),
        )
        for step in steps
    )
    sharing = (node for node in graph.operators if node.operator not in TABLE or shares_memory(node))
    shared = {name for node in sharing for name in (node.name, *node.inputs)}
    return tuple(_in_place(step) if _may_overwrite(graph, step, shared) else step for step in lasting)


def _may_overwrite(graph: Graph, step: Step, shared: Collection[str]) -> bool:
    """Whether the value fits over the operator's first input, whose elements nothing reads after this step."""
    known = TABLE.get(step.node.operator)
    if known is None or known.in_place is None or not step.inputs:
        return False
    first = graph.by_name[step.inputs[0]]
    fits = (first.shape, first.dtype) == (step.node.shape, step.node.dtype)
    return fits and first.name in step.spent_forward and first.name not in shared


def _in_place(step: Step) -> Step:
    in_place = TABLE[step.node.operator].in_place
    assert in_place is not None
    return dataclasses.replace(step, forward=plain(in_place))


def _read_backward(step: Step) -> Iterator[str]:
    """The values that the step's gradient rule reads."""
    if step.gradient is not None:
        reads = TABLE[step.node.operator].reads(step.needs)
        yield from (step.inputs[position] for position in reads.inputs)
        if reads.output:
            yield step.name


def outline(value: Any) -> Any:
    """The value without its elements: shape, strides and dtype, as a meta tensor."""
    if isinstance(value, Tensor):
        return value.new_empty_strided(value.shape, value.stride(), device="meta")
    if isinstance(value, list | tuple):
        return type(value)(outline(item) for item in value)
    return value
