"""The two graphs of one network, for training and for evaluation, cut at the same place."""

import dataclasses
import hashlib
from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn

from convlens.core.errors import UsageError
from convlens.graph.capture import capture
from convlens.graph.graph import Graph, Ref, replace_references
from convlens.graph.split import Split, same_place, split, split_at
from convlens.transfer.freeze import FreezePlan, freeze_plan

_SAME_IN_BOTH_MODES = (nn.Linear, nn.Conv2d, nn.ReLU, nn.Flatten, nn.Identity)


@dataclasses.dataclass(frozen=True, kw_only=True)
class CutNetwork:
    """A network cut at its freeze plan: one prefix, and the suffix as it trains and as it is used."""

    module: nn.Module
    plan: FreezePlan
    training: Split
    evaluation: Split

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
        """The buffers that the training suffix writes to, by name: statistics of batch normalisation."""
        mutated = _mutated(self.training.suffix)
        names = {node.state for node in self.training.suffix.nodes if node.name in mutated}
        return {name: buffer for name, buffer in self.module.named_buffers() if name in names}

    def frozen_digest(self) -> str:
        """SHA-256 over every parameter and buffer of the frozen part; equal before and after a run."""
        changing = self.trained_parameters.keys() | self.changing_buffers.keys()
        state = {name: tensor for name, tensor in self.module.state_dict().items() if name not in changing}
        return digest_of(state[name] for name in sorted(state))


Capture = Callable[[nn.Module, Tensor], Graph]


def cut_network(module: nn.Module, plan: str, head: str, example: Tensor, capture: Capture = capture) -> CutNetwork:
    """The network captured in both modes and cut at the named freeze plan; sets modes and `requires_grad`."""
    module.eval()
    graph = capture(module, example)
    chosen = freeze_plan(module, graph, plan, head)
    chosen.apply(module)
    if all(isinstance(module.get_submodule(path), _SAME_IN_BOTH_MODES) for path in chosen.training):
        both = split(graph, chosen.frozen)
        return CutNetwork(module=module, plan=chosen, training=both, evaluation=both)
    training_graph = capture(module, example)
    training = split(training_graph, chosen.frozen)
    try:
        names = same_place(training_graph, graph, training.prefix.outputs)
    except KeyError as error:
        raise UsageError(
            f"--freeze {plan} cuts this network where its training and its evaluation form differ ({error}); "
            "choose a module before or after that."
        ) from None
    return CutNetwork(module=module, plan=chosen, training=training, evaluation=split_at(graph, names))


def structure_of(graph: Graph) -> str:
    """A text that is equal for graphs that compute the same from the same state: operators, arguments, wiring."""
    position = {node.name: i for i, node in enumerate(graph.nodes)}

    def numbered(ref: Ref) -> str:
        return f"%{position[ref.name]}"

    lines = [
        f"{node.operator} {replace_references(node.arguments, numbered)!r} "
        f"{ {key: replace_references(value, numbered) for key, value in sorted(node.keywords.items())}!r}"
        for node in graph.nodes
    ]
    return "\n".join([*lines, f"out {[position[name] for name in graph.outputs]}"])


def digest_of(tensors: Iterable[Tensor]) -> str:
    """SHA-256 over the tensors' shapes, number formats and values, whatever their order in memory."""
    digest = hashlib.sha256()
    for tensor in tensors:
        digest.update(f"{tuple(tensor.shape)}{tensor.dtype}".encode())
        digest.update(tensor.detach().contiguous().view(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def prefix_digest(graph: Graph) -> str:
    """SHA-256 of a prefix: its structure, and the values of all that it reads."""
    values = digest_of(graph.state[node.state] for node in graph.nodes if node.state)
    return hashlib.sha256(f"{structure_of(graph)}\n{values}".encode()).hexdigest()


def _mutated(graph: Graph) -> set[str]:
    return {name for node in graph.operators for name in node.mutates}
