"""Looking at single nodes after a backward pass that kept everything."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from convlens.core.errors import UsageError, unknown_name
from convlens.gradient.memory import refuse_unless_it_fits
from convlens.gradient.passes import Tape
from convlens.gradient.plan import Step
from convlens.gradient.upstream import Upstream
from convlens.graph.graph import Graph, Node
from convlens.ops import Local, NoRule, lookup


@dataclasses.dataclass(frozen=True, kw_only=True)
class Inspection:
    """All values and gradients of one forward and backward pass. Nodes are given by name or as a Node."""

    graph: Graph
    tape: Tape
    flow: Upstream

    def value(self, node: str | Node) -> Any:
        """The node's value in the forward pass."""
        return self.tape.values[self._name(node)]

    def upstream(self, node: str | Node) -> Any:
        """∂J/∂y at the node y; None where no gradient flows."""
        return self.flow.take(self._name(node))

    def contributions(self, node: str | Node) -> Mapping[str, Any]:
        """Reading node -> the gradient that came back through it."""
        return self.flow.contributions(self._name(node))

    @torch.no_grad()
    def local_gradient(self, node: str | Node, wrt: str | Node) -> Any:
        """∂y/∂u of the node's operator with respect to the node `wrt`, summed where the operator reads it twice."""
        step, source = self._step(node), self._name(wrt)
        known = lookup(step.node.operator)
        if isinstance(known.local_gradient, NoRule):
            raise UsageError(f"{step.node.operator} has no local gradient tensor: {known.local_gradient.reason}.")
        positions = [position for position, name in enumerate(step.inputs) if name == source]
        if not positions:
            read = ", ".join(dict.fromkeys(step.inputs)) or "no tensor"
            raise UsageError(f"{step.name} ({step.node.operator}) does not read {source!r}; it reads {read}.")
        output, saved = self.tape.values[step.name], self.tape.saved[step.name]
        self._refuse_unless_it_fits(step, output, self.tape.values[source])
        arguments, keywords = step.arguments(self.tape.values)
        parts = [known.local_gradient(Local(output, saved, wrt), *arguments, **keywords) for wrt in positions]
        return parts[0] if len(parts) == 1 else sum(parts)

    def _refuse_unless_it_fits(self, step: Step, output: Any, source: Tensor) -> None:
        for y in output if isinstance(output, list | tuple) else (output,):
            refuse_unless_it_fits(f"the local gradient tensor of {step.name}", y.shape, source.shape, source.dtype)

    def _step(self, node: str | Node) -> Step:
        name = self._name(node)
        for step in self.tape.steps:
            if step.name == name:
                return step
        raise UsageError(f"{name} is a value that no operator computes; only operators have local gradient tensors.")

    def _name(self, node: str | Node) -> str:
        name = node if isinstance(node, str) else node.name
        if name not in self.graph.by_name:
            raise unknown_name("node", name, self.graph.by_name)
        return name
