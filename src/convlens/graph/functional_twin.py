"""Functional twins: the operator that gives, as a new value, what an in-place one writes."""

from typing import Any

import torch
from torch import fx

from convlens.core.errors import UsageError
from convlens.graph.graph import Node

_TWINS = {"aten.bernoulli_.float": torch.ops.aten.bernoulli.p}
"""In-place operators whose functional twin has another name than their own without the underscore."""


def functional_twin(node: Node, traced: fx.Node) -> torch._ops.OpOverload:
    """The operator that gives, as a new value, what the in-place one writes."""
    assert isinstance(node.target, torch._ops.OpOverload)
    target = _twin(node.target)
    if target is None:
        raise UsageError(
            f"cannot capture: the in-place operator {node.operator} has no functional twin ({node.source}). "
            "Build the value with torch.where, torch.cat or torch.stack instead."
        )
    arguments, keywords = fx.map_arg((traced.args, traced.kwargs), lambda source: source.meta["val"])
    value, written = target(*with_defaults(node, arguments), **keywords), traced.meta["val"]
    if value.dtype != written.dtype:
        raise UsageError(
            f"cannot capture: {node.operator} writes {value.dtype} into a tensor of {written.dtype} ({node.source}). "
            f"Convert to {written.dtype} before, or build a new tensor."
        )
    return target


def _twin(target: torch._ops.OpOverload) -> torch._ops.OpOverload | None:
    """That of the same name without the underscore, in all forms that torch has."""
    if str(target) in _TWINS:
        return _TWINS[str(target)]
    name = target._schema.name.removeprefix("aten::")
    packet = getattr(torch.ops.aten, name.removesuffix("_"), None)
    overload = target._overloadname or "default"
    if not name.endswith("_") or packet is None or overload not in packet.overloads():
        return None
    twin: torch._ops.OpOverload = getattr(packet, overload)
    return twin


def with_defaults(node: Node, arguments: tuple[Any, ...]) -> tuple[Any, ...]:
    """All positional arguments: one that has its default is left out by torch, and the twin may have no default."""
    assert isinstance(node.target, torch._ops.OpOverload)
    positional = [argument for argument in node.target._schema.arguments if not argument.kwarg_only]
    missing = [argument for argument in positional[len(arguments) :] if argument.name not in node.keywords]
    return (*arguments, *(argument.default_value for argument in missing))
