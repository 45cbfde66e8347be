"""Freeze plans: which parameters stay fixed, and which modules run in training mode."""

import dataclasses
from collections.abc import Iterator

from torch import nn

from convlens.core.errors import UsageError, unknown_name
from convlens.core.settings import setting
from convlens.graph.graph import Graph, Node
from convlens.transfer.blocks import blocks, inside

NAMED_PLANS = ("backbone", "conv", "none")


@dataclasses.dataclass(frozen=True, kw_only=True)
class FreezePlan:
    """What stays fixed. Everything that runs up to and including one operator is frozen, the rest is trained."""

    name: str
    frozen: frozenset[str]
    """Dotted names of the parameters that stay fixed."""
    training: frozenset[str]
    """Paths of the modules that run in training mode; all others run in evaluation mode."""

    def apply(self, module: nn.Module) -> None:
        """Set modes and `requires_grad` of the module accordingly."""
        for path, part in module.named_modules():
            part.training = path in self.training
        for name, parameter in module.named_parameters():
            parameter.requires_grad_(name not in self.frozen)


def freeze_plan(module: nn.Module, graph: Graph, name: str, head: str, unfreeze: int = 0) -> FreezePlan:
    """The plan that a person names: "backbone" (all but the last layer, `head`), "conv", a module's path, "none".

    "conv" fixes everything up to the last convolution, so that the fully connected layers are trained; a module's
    path fixes everything that runs up to and including it. With "backbone", `unfreeze` > 0 trains as many of the last
    blocks (see `blocks`), too. `graph` is the module captured in evaluation mode.
    Raises UsageError for a name that does not exist, or a plan that would leave nothing fixed or nothing to train.
    """
    last_fixed = (
        _last_before_unfrozen(module, graph, name, head, unfreeze) if unfreeze else _last_fixed(graph, name, head)
    )
    operators = graph.operators
    early = {state for node in operators[: last_fixed + 1] for state in _parameters_read(graph, node)}
    everything = {parameter for parameter, _ in module.named_parameters()}
    read = {state for node in operators for state in _parameters_read(graph, node)}
    frozen = frozenset(early if name == "none" else early | (everything - read))
    if name != "none" and not early:
        raise UsageError(
            f"{setting('freeze', name)} freezes nothing: no parameter is read up to the end of {name!r}. Name a later "
            f"module, or set {setting('freeze', 'none')}."
        )
    if frozen >= everything:
        raise UsageError(
            f"{setting('freeze', name)} leaves nothing to train: every parameter runs before the end of {name!r}."
        )
    return FreezePlan(name=name, frozen=frozen, training=_training_modules(module, operators, last_fixed))


def _last_fixed(graph: Graph, name: str, head: str) -> int:
    """Position, among the operators, of the last one that stays fixed; -1 when nothing does."""
    operators = graph.operators
    if name == "none":
        return -1
    if not name:
        raise unknown_name("freeze plan or module", name, [*NAMED_PLANS, *_paths(operators)])
    if name == "backbone":
        return next(i for i, node in enumerate(operators) if inside(node.module, head)) - 1
    if name == "conv":
        convolutions = [i for i, node in enumerate(operators) if node.operator.startswith("aten.conv")]
        linear = [i for i, node in enumerate(operators) if node.operator == "aten.linear.default"]
        if not convolutions or not linear or linear[-1] < convolutions[-1]:
            raise UsageError(
                f"{setting('freeze', 'conv')} fixes the convolutional layers and trains the fully connected ones "
                f"after them; this network has no such layers. Use {setting('freeze', 'backbone')}, a module's name, "
                "or none."
            )
        return convolutions[-1]
    within = [i for i, node in enumerate(operators) if inside(node.module, name)]
    if not within:
        raise unknown_name("freeze plan or module", name, [*NAMED_PLANS, *_paths(operators)])
    return within[-1]


def _last_before_unfrozen(module: nn.Module, graph: Graph, name: str, head: str, unfreeze: int) -> int:
    """Position of the operator before the first of the last `unfreeze` blocks."""
    if name != "backbone":
        raise UsageError(
            f"{setting('unfreeze', unfreeze)} counts blocks from the head backwards and goes with "
            f"{setting('freeze', 'backbone')}, not with {setting('freeze', name)}. Leave one of the two out."
        )
    found = blocks(module, graph, head)
    if unfreeze >= len(found):
        raise UsageError(
            f"{setting('unfreeze', unfreeze)} leaves nothing frozen: this network has {len(found)} blocks before its "
            f"head, the last of them {', '.join(found[-3:])}. Unfreeze fewer, or set {setting('freeze', 'none')}."
        )
    opened = found[-unfreeze:]
    return next(i for i, node in enumerate(graph.operators) if any(inside(node.module, path) for path in opened)) - 1


def _paths(operators: tuple[Node, ...]) -> list[str]:
    """Paths of all modules that run, outer ones before the inner ones."""
    found: dict[str, None] = {}
    for node in operators:
        parts = node.module.split(".")
        found |= {".".join(parts[:depth]): None for depth in range(1, len(parts) + 1) if parts[0]}
    return sorted(found, key=lambda path: path.count("."))


def _parameters_read(graph: Graph, node: Node) -> Iterator[str]:
    for name in node.inputs:
        source = graph.by_name[name]
        if source.kind == "parameter":
            yield source.state


def _training_modules(module: nn.Module, operators: tuple[Node, ...], last_fixed: int) -> frozenset[str]:
    """Modules none of whose operators is fixed. Those that run nothing follow the rest only if all is trained."""
    if last_fixed < 0:
        return frozenset(path for path, _ in module.named_modules())
    fixed = {node.module for node in operators[: last_fixed + 1]}
    trained = {node.module for node in operators[last_fixed + 1 :]}
    return frozenset(
        path
        for path, _ in module.named_modules()
        if path and any(inside(other, path) for other in trained) and not any(inside(other, path) for other in fixed)
    )
