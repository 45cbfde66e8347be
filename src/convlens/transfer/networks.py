"""The two graphs of one network, for training and for evaluation, cut at the same place."""

import copy
import dataclasses
from collections.abc import Callable

import torch
from torch import Tensor, nn

from convlens.core.bundle import PLAIN_HEAD, HeadForm
from convlens.core.errors import UsageError
from convlens.core.settings import setting
from convlens.graph.capture import capture, module_state
from convlens.graph.graph import Graph
from convlens.graph.identity import digest_of
from convlens.graph.own_backward import refuse_lost_backward
from convlens.graph.split import Split, same_place, split, split_at, until
from convlens.transfer.blocks import blocks, inside
from convlens.transfer.device import on_device
from convlens.transfer.freeze import FreezePlan, freeze_plan
from convlens.transfer.heads import new_head, replace_head
from convlens.transfer.kernels import with_safe_inputs

_SAME_IN_BOTH_MODES = (nn.Linear, nn.Conv2d, nn.ReLU, nn.Flatten, nn.Identity)


@dataclasses.dataclass(frozen=True, kw_only=True)
class CutNetwork:
    """A network cut at its freeze plan: one prefix, and the suffix as it trains and as it is used."""

    module: nn.Module
    plan: FreezePlan
    head: str
    """Path of the last layer."""
    blocks: tuple[str, ...]
    """Paths of the blocks before it, in the order in which they run."""
    training: Split
    evaluation: Split
    new_head: nn.Module | None = None
    """Last layers that are no part of the graphs: the suffixes end with what these read."""

    @property
    def prefix(self) -> Graph:
        """The frozen part, common to both."""
        return self.evaluation.prefix

    @property
    def trained_parameters(self) -> dict[str, nn.Parameter]:
        """The parameters that are not frozen, by name."""
        return {name: p for name, p in self.module.named_parameters() if name not in self.plan.frozen}

    @property
    def changing_buffers(self) -> dict[str, Tensor]:
        """The buffers that the training suffix writes to, by name: statistics of batch normalization."""
        mutated = _mutated(self.training.suffix)
        names = {node.state for node in self.training.suffix.nodes if node.name in mutated}
        if self.new_head is not None:
            names |= {f"{self.head}.{name}" for name, _ in self.new_head.named_buffers()}
        return {name: buffer for name, buffer in self.module.named_buffers() if name in names}

    def on(self, device: str) -> "CutNetwork":
        """The same network, which computes on the device; its module is moved there."""
        self.module.to(device)
        training, evaluation = (
            Split(prefix=on_device(both.prefix, self.module), suffix=on_device(both.suffix, self.module))
            for both in (self.training, self.evaluation)
        )
        return dataclasses.replace(self, training=training, evaluation=evaluation)

    def copied(self) -> "CutNetwork":
        """The same network with trained parameters and changing buffers of its own; it shares all that is frozen."""
        own = self.trained_parameters.keys() | self.changing_buffers.keys()
        frozen = {id(tensor): tensor for name, tensor in module_state(self.module).items() if name not in own}
        module = copy.deepcopy(self.module, dict[int, object](frozen))
        training, evaluation = (
            Split(prefix=bound_to(module, both.prefix), suffix=bound_to(module, both.suffix))
            for both in (self.training, self.evaluation)
        )
        return dataclasses.replace(
            self,
            module=module,
            training=training,
            evaluation=evaluation,
            new_head=None if self.new_head is None else module.get_submodule(self.head),
        )

    def draw_head(self, seed: int) -> None:
        """Redraw the last layer, where it is one layer alone."""
        old = self.module.get_submodule(self.head)
        classes = len(self.module.get_parameter(f"{self.head}.weight"))
        drawn = new_head(old, self.head, classes, seed, PLAIN_HEAD).state_dict()
        with torch.no_grad():
            for name, tensor in old.state_dict().items():
                tensor.copy_(drawn[name])

    def with_head(self, form: HeadForm, classes: int, seed: int) -> "CutNetwork":
        """The same network with last layers of that form, drawn again, that run as a module after the graphs.

        Raises UsageError where the network does not end in a linear layer.
        """
        replace_head(self.module, self.head, classes, seed, form)
        self._refuse_what_follows_the_head()
        training, evaluation = (
            dataclasses.replace(both, suffix=self.without_head(both.suffix))
            for both in (self.training, self.evaluation)
        )
        return dataclasses.replace(
            self, training=training, evaluation=evaluation, new_head=self.module.get_submodule(self.head)
        )

    def _refuse_what_follows_the_head(self) -> None:
        """Last layers that run after the graphs take the place of all that came after the old ones."""
        graph = self.evaluation.suffix
        last = graph.by_name[graph.outputs[0]]
        if not inside(last.module, self.head):
            raise UsageError(
                f"the last layer {self.head!r} of this network is followed by {last.operator}, and a new head would "
                "replace both. Use a plain linear head without dropout and batch normalization, or let the network "
                "end in its last layer."
            )

    def without_head(self, graph: Graph) -> Graph:
        """The graph up to what the head reads, which takes the place of the logits among its outputs."""
        first = next((node for node in graph.operators if inside(node.module, self.head)), None)
        return graph if first is None else until(graph, (first.inputs[0], *graph.outputs[1:]), updates=True)

    def logits(self, outputs: tuple[Tensor, ...], *, training: bool) -> tuple[Tensor, ...]:
        """The network's outputs from those of a suffix: the head, where it is no part of the graphs, comes last."""
        if self.new_head is None:
            return outputs
        return (self.new_head.train(training)(outputs[0]), *outputs[1:])

    def depths(self) -> dict[str, int]:
        """For every parameter that is trained, how many blocks lie between it and the end; 0 in the head."""
        begun: set[str] = set()
        found: dict[str, int] = {name: 0 for name in self.trained_parameters if inside(name, self.head)}
        graph = self.evaluation.suffix
        left = {path for path in self.blocks if any(inside(node.module, path) for node in graph.operators)}
        for node in graph.operators:
            begun |= {path for path in left if inside(node.module, path)}
            for name in node.inputs:
                if (source := graph.by_name[name]).kind == "parameter":
                    found.setdefault(source.state, len(left) - len(begun) + 1)
        return {name: found.get(name, len(left) + 1) for name in self.trained_parameters}

    def frozen_digest(self) -> str:
        """SHA-256 over every parameter and buffer of the frozen part; equal before and after a run."""
        changing = self.trained_parameters.keys() | self.changing_buffers.keys()
        state = {name: tensor for name, tensor in self.module.state_dict().items() if name not in changing}
        return digest_of(state[name] for name in sorted(state))


Capture = Callable[[nn.Module, Tensor], Graph]


def cut_network(
    module: nn.Module, plan: str, head: str, example: Tensor, capture: Capture = capture, unfreeze: int = 0
) -> CutNetwork:
    """The network captured in both modes and cut at the plan (see `freeze_plan`); sets modes and `requires_grad`.

    Raises UsageError where what is trained has a backward of its own, an autograd.Function or a hook.
    """
    module.eval()
    graph = capture(module, example)
    chosen = freeze_plan(module, graph, plan, head, unfreeze)
    chosen.apply(module)
    found = tuple(blocks(module, graph, head))
    if all(isinstance(module.get_submodule(path), _SAME_IN_BOTH_MODES) for path in chosen.training):
        both = split(graph, chosen.frozen)
        refuse_lost_backward(both.suffix, chosen.frozen)
        return CutNetwork(
            module=module, plan=chosen, head=head, blocks=found, training=_trainable(both), evaluation=both
        )
    training_graph = capture(module, example)
    training = split(training_graph, chosen.frozen)
    refuse_lost_backward(training.suffix, chosen.frozen)
    try:
        names = same_place(training_graph, graph, training.prefix.outputs)
    except KeyError as error:
        raise UsageError(
            f"{setting('freeze', plan)} cuts this network where its training and its evaluation form differ "
            f"({error}); choose a module before or after that."
        ) from None
    evaluation = split_at(graph, names)
    return CutNetwork(
        module=module, plan=chosen, head=head, blocks=found, training=_trainable(training), evaluation=evaluation
    )


def with_head_inputs(graph: Graph, head: str) -> Graph:
    """The graph with one more output: what the last layers, `head`, read."""
    first = next(node for node in graph.operators if inside(node.module, head))
    return dataclasses.replace(graph, outputs=(*graph.outputs, first.inputs[0]))


def bound_to(module: nn.Module, graph: Graph) -> Graph:
    """The graph of a module of the same structure, reading the tensors of this one."""
    owned = module_state(module)
    return dataclasses.replace(graph, state={name: owned.get(name, tensor) for name, tensor in graph.state.items()})


def _trainable(both: Split) -> Split:
    return Split(prefix=both.prefix, suffix=with_safe_inputs(both.suffix))


def _mutated(graph: Graph) -> set[str]:
    return {name for node in graph.operators for name in node.mutates}
