"""Our gradients against autograd's and against finite differences, operator by operator and as a whole."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from convlens.gradient.double import in_double
from convlens.gradient.passes import Tape, backward, forward
from convlens.gradient.plan import Step, differentiable_inputs, parameters, plan
from convlens.gradient.reference import (
    SEED,
    Function,
    autograd_gradients,
    finite_difference_error,
    off_kinks,
    relative_error,
    tensors,
)
from convlens.gradient.upstream import OUTSIDE, Upstream
from convlens.graph.graph import Graph
from convlens.graph.run import given_values

AUTOGRAD_TOLERANCE = 1e-8
DIFFERENCE_TOLERANCE = 1e-5


@dataclasses.dataclass(frozen=True, kw_only=True)
class OperatorCheck:
    """One operator of the graph: how far its gradients are from autograd's and from finite differences, relatively."""

    node: str
    operator: str
    module: str
    source: str
    autograd: float
    finite_differences: float

    @property
    def passed(self) -> bool:
        """Whether both agree with our rule."""
        return self.autograd <= AUTOGRAD_TOLERANCE and self.finite_differences <= DIFFERENCE_TOLERANCE

    def __str__(self) -> str:
        place = " ".join(part for part in (self.module and f"in {self.module}", self.source) if part)
        return (
            f"{self.node} ({self.operator}) {place}: differs by {self.autograd:.1e} from autograd, "
            f"by {self.finite_differences:.1e} from finite differences"
        )


@dataclasses.dataclass(frozen=True, kw_only=True)
class GradientCheck:
    """What `check_gradients` found: every operator by itself, then the graph as a whole.

    All numbers are relative differences. `parameters` and `inputs` compare our whole gradients with autograd's;
    `finite_differences` compares the derivative along one direction through all of them.
    """

    operators: tuple[OperatorCheck, ...]
    parameters: Mapping[str, float]
    inputs: Mapping[str, float]
    finite_differences: float

    @property
    def differing(self) -> tuple[OperatorCheck, ...]:
        """The operators whose rule disagrees."""
        return tuple(one for one in self.operators if not one.passed)

    @property
    def passed(self) -> bool:
        """Whether every operator and the whole agree."""
        whole = max((*self.parameters.values(), *self.inputs.values()), default=0.0)
        agrees = whole <= AUTOGRAD_TOLERANCE and self.finite_differences <= DIFFERENCE_TOLERANCE
        return agrees and not self.differing

    def __str__(self) -> str:
        worst = max((*self.parameters.values(), *self.inputs.values()), default=0.0)
        lines = [
            f"{len(self.operators)} operators, {len(self.differing)} differ; as a whole {worst:.1e} from autograd, "
            f"{self.finite_differences:.1e} from finite differences: {'passed' if self.passed else 'FAILED'}"
        ]
        return "\n".join([*lines, *(str(one) for one in self.differing)])


def check_gradients(graph: Graph, inputs: Tensor | Sequence[Tensor]) -> GradientCheck:
    """A comparison of our gradients with autograd's and with finite differences, in double precision.

    Each operator is tried at the values that it meets in this graph, a thousandth of noise added, because at a tie or
    a kink (max pooling over zeros, ReLU at 0) no derivative exists. Autograd must agree to 1e-8, finite differences to
    1e-5, both relative to the largest value. The graph's own parameters and running statistics stay as they are.

    Raises UsageError for what has no gradient rule (see `backpropagate`): an operator outside the table, complex
    numbers, a backward of its own.
    """
    given = (inputs,) if isinstance(inputs, Tensor) else tuple(inputs)
    double = in_double(graph)
    values = [off_kinks(x.double()) if x.is_floating_point() else x for x in given]
    start = given_values(double, *values)
    floating = differentiable_inputs(double, values)
    sources = (*parameters(double), *floating)
    with torch.random.fork_rng():
        tape = forward(plan(double, sources, keep=True), dict(start), keep=True)
        checked = (_check_operator(step, tape) for step in tape.steps)
        operators = tuple(one for one in checked if one is not None)
        gradients, differences = _compare(tape.steps, start, sources, double.outputs)
    return GradientCheck(
        operators=operators,
        parameters={double.by_name[n].state: e for n, e in gradients.items() if n not in floating},
        inputs={n: e for n, e in gradients.items() if n in floating},
        finite_differences=differences,
    )


def _check_operator(step: Step, tape: Tape) -> OperatorCheck | None:
    """None for operators without gradient, and for those that only hand on an item of a list."""
    inputs = {name: tape.values[name] for name in step.inputs}
    if step.gradient is None or not all(isinstance(value, Tensor) for value in inputs.values()):
        return None
    wanted = tuple(dict.fromkeys(name for name, needed in zip(step.inputs, step.needs, strict=True) if needed))
    values = {**tape.values, **{name: off_kinks(inputs[name]) for name in wanted}}
    errors, differences = _compare((step,), values, wanted, (step.name,))
    node = step.node
    return OperatorCheck(
        node=node.name,
        operator=node.operator,
        module=node.module,
        source=node.source,
        autograd=max(errors.values()),
        finite_differences=differences,
    )


def _compare(
    steps: tuple[Step, ...], values: Mapping[str, Any], wanted: Sequence[str], outputs: Sequence[str]
) -> tuple[dict[str, float], float]:
    """The relative differences of the gradients with respect to `wanted`, and along one direction through them."""
    function = Function(steps=steps, values=values, wanted=tuple(wanted), outputs=tuple(outputs))
    point = function.point()
    with torch.no_grad():
        upstream = [torch.randn_like(y) if y.is_floating_point() else None for y in function(*point)]
    ours = _by_rules(function, upstream)
    theirs = autograd_gradients(function, point, upstream)
    errors = {name: relative_error(a, b) for name, a, b in zip(wanted, ours, theirs, strict=True)}
    return errors, finite_difference_error(function, point, upstream, ours)


def _by_rules(function: Function, upstream: Sequence[Tensor | None]) -> list[Tensor | None]:
    """Our gradients of the same function."""
    torch.manual_seed(SEED)
    tape = forward(function.steps, function.fresh_values(), keep=True)
    flow, remaining = Upstream(), iter(upstream)
    for name in function.outputs:
        value = tape.values[name]
        parts = tuple(next(remaining) for _ in tensors(value))
        gradient = parts[0] if isinstance(value, Tensor) else parts
        if gradient is not None:
            flow.add(name, gradient, reader=OUTSIDE)
    backward(tape, flow)
    return [flow.take(name) for name in function.wanted]
