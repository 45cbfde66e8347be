"""An explanation of a module at work on one input."""

import time
from collections.abc import Collection, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from convlens.core.errors import UsageError
from convlens.core.explanation import Check, Explanation, Flow, Guess
from convlens.core.records import now
from convlens.explanation.attribution import effective_fields, grad_cam, input_gradient
from convlens.explanation.flow import gradient_flow
from convlens.explanation.images import input_image, shown_image
from convlens.explanation.nodes import MOST_UNFOLDED, Work, box_lines, node_lines
from convlens.explanation.statistics import rounded
from convlens.explanation.target import Readout, Target, guesses_of, target_of
from convlens.explanation.untouched import evaluating, untouched
from convlens.gradient.backpropagate import Backpropagation, backpropagate
from convlens.graph.capture import capture
from convlens.graph.cost import cost
from convlens.graph.graph import Graph
from convlens.graph.hierarchy import hierarchy
from convlens.graph.receptive_field import receptive_field
from convlens.graph.run import run


class Plan(NamedTuple):
    """What of the module a run keeps fixed, and which nodes' values it stores."""

    frozen: Collection[str]
    crossings: Collection[str]


def explain(
    module: nn.Module,
    x: Tensor,
    *,
    name: str = "",
    target: int | None = None,
    classes: Sequence[str] = (),
    image: Tensor | None = None,
    plan: Plan | None = None,
    versus: Flow | None = None,
    readout: Readout | None = None,
) -> Explanation:
    """The explanation of a module, in evaluation mode, for one input x of shape (1, ...).

    The module stays as it was: each part in its mode, and every buffer with its values.

    The gradients are those of the score of class `target` (the most likely one by default), where the output has shape
    (1, classes), else of the sum of all outputs. `classes` names them; `image` is the input before normalization,
    values in 0..1, to be shown instead of the input itself. `versus` is another network's gradient flow, drawn beside
    this one's. `readout` says what the outputs mean where they are not scores of classes that exclude each other.

    Raises UsageError for more than one example, a class that there is not, another number of names than of classes, an
    image that is none, and modules that cannot be captured.
    """
    if x.ndim < 2 or x.shape[0] != 1:
        raise UsageError(f"explain takes one example, of shape (1, ...); got shape {tuple(x.shape)}.")
    if image is not None and (image.ndim != 3 or len(image) not in (1, 3)):
        raise UsageError(f"the image has shape (1 or 3, height, width), values in 0..1; got {tuple(image.shape)}.")
    with evaluating(module), untouched(module):
        return _explanation(
            module,
            x,
            name=name or type(module).__name__,
            target=target,
            classes=classes,
            image=image,
            plan=plan,
            versus=versus,
            readout=readout,
        )


def flow_of(module: nn.Module, x: Tensor, *, name: str, target: int | None = None) -> Flow:
    """The gradient flow alone, for a comparison; of the module in evaluation mode, which stays as it was."""
    with evaluating(module):
        graph = capture(module, x, free_batch=False)
        with torch.no_grad():
            result, _, _ = _passes(module, graph, x, target, ())
    return gradient_flow(name, graph, result)


def _explanation(
    module: nn.Module,
    x: Tensor,
    *,
    name: str,
    target: int | None,
    classes: Sequence[str],
    image: Tensor | None,
    plan: Plan | None,
    versus: Flow | None,
    readout: Readout | None,
) -> Explanation:
    start = time.perf_counter()
    graph = capture(module, x, free_batch=False)
    with torch.no_grad():
        result, told, guesses = _passes(module, graph, x, target, classes, readout)
        fields, boxes = receptive_field(graph), hierarchy(graph)
        costs = cost(graph)
        work = Work(
            module=module,
            graph=graph,
            hierarchy=boxes,
            result=result,
            costs=costs,
            fields=fields,
            frozen=plan.frozen if plan else None,
            crossings=plan.crossings if plan else (),
            effective=effective_fields(graph, boxes, fields, x),
        )
        nodes = node_lines(work)
        size = (int(x.shape[-2]), int(x.shape[-1])) if x.ndim == 4 else None
        flow = gradient_flow(name, graph, result)
    return Explanation(
        network=name,
        made=now(),
        input_shape=list(x.shape),
        image=input_image(x) if image is None else shown_image(image),
        target=told.text,
        guesses=guesses,
        boxes=box_lines(work),
        nodes=nodes,
        grad_cam=grad_cam(graph, result, fields.last_feature_map, size) if size else None,
        input_gradient=input_gradient(result),
        flow=flow,
        versus=versus,
        check=_check(module, x, result, told),
        parameters=sum(parameter.numel() for parameter in module.parameters()),
        multiply_adds=costs.total.multiply_adds,
        seconds=rounded(time.perf_counter() - start),
        notes=_notes(len(nodes), costs.unsupported),
    )


def _notes(count: int, uncounted: Sequence[str]) -> list[str]:
    notes = []
    if count > MOST_UNFOLDED:
        notes.append(
            f"{count} nodes: the modules are folded at first. Double-click a module, or press Enter, to unfold it."
        )
    if uncounted:
        notes.append(
            f"The multiply-adds do not include these operators, for which there is no count: {', '.join(uncounted)}."
        )
    return notes


def _passes(
    module: nn.Module,
    graph: Graph,
    x: Tensor,
    target: int | None,
    classes: Sequence[str],
    readout: Readout | None = None,
) -> tuple[Backpropagation, Target, list[Guess]]:
    """Forward once to see the output, then forward and backward from the target."""
    with untouched(module):
        outputs = run(graph, x)
    if len(outputs) != 1:
        raise UsageError(f"explain takes networks with one output; this one has {len(outputs)}.")
    told = target_of(outputs[0], target, classes, readout)
    guesses = readout.guesses(outputs[0]) if readout else guesses_of(graph, outputs[0], classes)
    with untouched(module):
        return backpropagate(graph, x, upstream=told.upstream, keep=True), told, guesses


def _check(module: nn.Module, x: Tensor, result: Backpropagation, told: Target) -> Check:
    """Our gradients against those that autograd gives for the module itself."""
    named = {name: parameter for name, parameter in module.named_parameters() if name in result.parameters}
    with torch.enable_grad(), untouched(module):
        start = x.detach().requires_grad_(x.is_floating_point())
        outputs = tree_leaves(module(start.clone()))  # a clone, which the module may change in place
        (output,) = (leaf for leaf in outputs if isinstance(leaf, Tensor))
        # The input's gradient is asked for, too: without it, group normalization's kernel (torch 2.13) ends the process
        # on a channels-last input.
        leaves = [*named.values(), *([start] if start.requires_grad else [])]
        theirs = torch.autograd.grad(output, leaves, told.upstream)[: len(named)]
    worst, where = 0.0, ""
    for (name, _), gradient in zip(named.items(), theirs, strict=True):
        difference = (result.parameters[name] - gradient).abs().max() / gradient.abs().max().clamp(min=1e-12)
        if float(difference) >= worst:
            worst, where = float(difference), name
    return Check(largest_difference=rounded(worst), parameter=where, compared=len(named))
