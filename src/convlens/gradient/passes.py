"""The two passes over a plan. They know no operator: what happens at a node is the node's own rule."""

import dataclasses
from collections.abc import Iterable
from typing import Any

import torch

from convlens.gradient.plan import Step, outline
from convlens.gradient.upstream import Upstream
from convlens.ops import Backward


@dataclasses.dataclass(frozen=True, kw_only=True)
class Tape:
    """What the forward pass leaves for the backward pass: the values by node, and what each rule saved."""

    steps: tuple[Step, ...]
    values: dict[str, Any]
    saved: dict[str, Any]
    keep: bool

    def spend(self, names: Iterable[str]) -> None:
        """Free the elements of these values; their shapes remain."""
        for name in names:
            self.values[name] = outline(self.values[name])

    def take_saved(self, name: str) -> Any:
        """What the rule of this node saved; it is forgotten here unless all is kept."""
        return self.saved[name] if self.keep else self.saved.pop(name)


@torch.no_grad()
def forward(steps: tuple[Step, ...], values: dict[str, Any], *, keep: bool = False) -> Tape:
    """Run the operators in order. `values` holds inputs and parameters, and receives what is computed."""
    tape = Tape(steps=steps, values=values, saved={}, keep=keep)
    for step in steps:
        arguments, keywords = step.arguments(values)
        values[step.name], saved = step.forward(*arguments, **keywords)
        if keep or step.gradient is not None:
            tape.saved[step.name] = saved
        del arguments, keywords, saved
        tape.spend(step.spent_forward)
    return tape


@torch.no_grad()
def backward(tape: Tape, upstream: Upstream) -> None:
    """Take the gradients in `upstream` from the outputs back to parameters and inputs."""
    for step in reversed(tape.steps):
        if step.gradient is not None:
            _pull_back(step, tape, upstream)
            tape.spend(step.spent_backward)


def _pull_back(step: Step, tape: Tape, upstream: Upstream) -> None:
    context = Backward(upstream.take(step.name), tape.values[step.name], tape.take_saved(step.name), step.needs)
    if context.upstream is None:
        return
    arguments, keywords = step.arguments(tape.values)
    assert step.gradient is not None
    gradients = step.gradient(context, *arguments, **keywords)
    for name, gradient in zip(step.inputs, gradients, strict=True):
        if gradient is not None:
            upstream.add(name, gradient, reader=step.name)
