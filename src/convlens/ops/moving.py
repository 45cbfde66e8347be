"""What operators share that only move values: each output element is one input element (or a constant).

Legend: y_i = u_{π(i)}, with π given by the operator; its gradient collects ∂J/∂y_i at π(i).
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from convlens.ops.dense import selection_of
from convlens.ops.record import (
    Backward,
    NoRule,
    Operator,
    Reshaped,
    Rule,
    Seen,
    Window,
    operator,
    plain,
)

aten = torch.ops.aten

REARRANGED = NoRule("it changes which axes are spatial")
COLLECT_LATEX = r"\frac{\partial J}{\partial u_j} = \sum_{i:\ \pi(i) = j} \frac{\partial J}{\partial y_i}"


def moving(
    name: str,
    forward: Callable[..., Tensor],
    gradient: Rule[Tensor],
    *,
    formula: str,
    latex: str = r"y_i = u_{\pi(i)}",
    window: Rule[Seen] | Window | Reshaped | NoRule = REARRANGED,
) -> Operator:
    """The record of an operator that moves the values of its first argument."""
    return operator(
        f"aten.{name}",
        plain(forward),
        lambda back, u, *args, **kwargs: (gradient(back, u, *args, **kwargs),),
        lambda _, u, *args, **kwargs: selection_of(u, lambda index: forward(index, *args, **kwargs)),
        structure="selection",
        formula=formula,
        latex=rf"{latex}, \quad {COLLECT_LATEX}",
        window=window,
    )


def collected(forward: Callable[..., Tensor]) -> Rule[Tensor]:
    """The gradient of any operator that moves values: every upstream element is added where its value came from."""

    def rule(back: Backward, u: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        g = back.upstream
        origin = forward(torch.arange(u.numel(), device=g.device).reshape(u.shape), *args, **kwargs)
        flat = g.new_zeros(u.numel()).index_add_(0, origin.reshape(-1), g.reshape(-1))
        gradient: Tensor = flat.reshape(u.shape)
        return gradient

    return rule
