"""Inspect: what every module of a network, or of a trained run, costs and sees."""

import dataclasses
from pathlib import Path
from typing import Literal

import torch
from torch import nn

from convlens.backbones.graph_cache import cached_capture
from convlens.backbones.timm_networks import OWN, built_name, make_known
from convlens.core.errors import UsageError
from convlens.core.inspection import Inspection, ModuleLine, SeenPixels
from convlens.core.settings import setting
from convlens.graph.cost import Cost, cost
from convlens.graph.graph import Graph, Node
from convlens.graph.receptive_field import ReceptiveField, ReceptiveFields, receptive_field
from convlens.graph.split import split
from convlens.pipeline.trained import is_run
from convlens.report.run_folder import read_run
from convlens.training.recipe import Recipe
from convlens.transfer.freeze import FreezePlan, freeze_plan
from convlens.zoo import NetworkCard, blueprint, card

State = Literal["frozen", "trained", "mixed", ""]


def inspect(network: str, *, size: int | None = None, freeze: str | None = None, depth: int = 2) -> Inspection:
    """Costs and receptive fields of a network of the zoo by name, or of a run folder.

    `size` is the input's side in pixels, or its length in time steps (default: as on the network's card); `freeze` a
    freeze plan, whose cut is then marked (a run brings its own); `depth` how many levels of modules are shown.
    Raises UsageError for unknown names, and for a size that the network cannot take.
    """
    if is_run(network):
        run = read_run(Path(network))
        recipe = Recipe.of(**run.recipe)
        classes, size = len(run.classes), size or recipe.size
        backbone = built_name(run.backbone, size, recipe.pooling)
        unfreeze = 0 if freeze else recipe.unfreeze
        freeze = freeze or run.freeze.plan
    else:
        backbone = network if size is None else built_name(network, size, OWN)
        classes, unfreeze = None, 0
    make_known(backbone)
    known = card(backbone)
    module = blueprint(backbone, classes).eval()
    example = torch.zeros(2, *_input_shape(known, size), device="meta")
    graph = cached_capture(backbone, known.classes if classes is None else classes)(module, example)
    plan = freeze_plan(module, graph, freeze, known.head, unfreeze) if freeze is not None else None
    return inspection_of(network, module, graph, plan, depth)


def _input_shape(known: NetworkCard, size: int | None) -> tuple[int, ...]:
    """Channels, then the spatial axes: those of the card, or all of this size."""
    if size is not None and size < known.least_size:
        raise UsageError(
            f"{setting('size', size)}: the input of {known.name} needs a side of at least {known.least_size}."
        )
    channels, *sides = known.input_shape
    return (channels, *(side if size is None else size for side in sides))


def inspection_of(name: str, module: nn.Module, graph: Graph, plan: FreezePlan | None, depth: int) -> Inspection:
    """The record for any captured module; every module is marked trained when there is no plan."""
    costs, fields = cost(graph), receptive_field(graph)
    crossing = {node.name for node in split(graph, plan.frozen).crossings} if plan else set()
    inspected = _Inspected(module=module, graph=graph, costs=costs, fields=fields, plan=plan, crossing=crossing)
    groups: dict[str, list[Node]] = {}
    for node in graph.operators:
        groups.setdefault(".".join(node.module.split(".")[:depth]), []).append(node)
    total = costs.total
    return Inspection(
        name=name,
        input_shape=list(graph.inputs[0].shape or ()),
        freeze=plan.name if plan else None,
        modules=[inspected.line(path, nodes) for path, nodes in groups.items()],
        parameters=sum(parameter.numel() for parameter in module.parameters()),
        multiply_adds=total.multiply_adds,
        backward_multiply_adds=total.backward_multiply_adds,
        activation_bytes=total.activation_bytes,
        parameter_bytes=sum(parameter.nbytes for parameter in module.parameters()),
        receptive_field=_pixels(fields.nodes[fields.last_feature_map]) if fields.last_feature_map else None,
        unsupported=[*costs.unsupported, *fields.unsupported.values()],
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Inspected:
    """A module with what the passes found."""

    module: nn.Module
    graph: Graph
    costs: Cost
    fields: ReceptiveFields
    plan: FreezePlan | None
    crossing: set[str]

    def line(self, path: str, nodes: list[Node]) -> ModuleLine:
        """The line of one module, which ran these nodes."""
        amounts = [self.costs.nodes[node.name] for node in nodes]
        last = nodes[-1]
        return ModuleLine(
            module=path,
            kind=type(self.module.get_submodule(path)).__name__,
            output_shape=list(last.shape) if last.shape is not None else None,
            parameters=sum(amount.parameters for amount in amounts),
            multiply_adds=sum(amount.multiply_adds for amount in amounts),
            activation_bytes=sum(amount.activation_bytes for amount in amounts),
            receptive_field=_pixels(self.fields.nodes[last.name]) if last.name in self.fields.nodes else None,
            state=_state(nodes, self.graph, self.plan),
            crosses=any(node.name in self.crossing for node in nodes),
        )


def _state(nodes: list[Node], graph: Graph, plan: FreezePlan | None) -> State:
    sources = [graph.by_name[name] for node in nodes for name in node.inputs]
    frozen = {plan is not None and source.state in plan.frozen for source in sources if source.kind == "parameter"}
    if not frozen:
        return ""
    if len(frozen) == 2:
        return "mixed"
    return "frozen" if frozen == {True} else "trained"


def _pixels(field: ReceptiveField) -> SeenPixels:
    if isinstance(field, str):
        return field
    if not isinstance(field, tuple) or not field:
        return None
    sizes = [axis.size for axis in field]
    return sizes[0] if len(set(sizes)) == 1 else sizes
