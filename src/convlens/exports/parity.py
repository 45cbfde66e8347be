"""Parity: whether an exported model gives the answers that are expected of it."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from convlens.core.exported import LARGEST_DIFFERENCE, Flip, Parity
from convlens.core.kinds.kind import text_of
from convlens.training.task import Task


def parity(
    names: Sequence[str],
    got: Tensor,
    expected: Tensor,
    *,
    units: Sequence[float],
    task: Task,
    limit: float = LARGEST_DIFFERENCE,
    p_values: tuple[Tensor, Tensor] | None = None,
) -> Parity:
    """Answers of shape (N, outputs) compared with the expected ones; `names` are those of the images, `limit` is
    the largest difference that is accepted; `p_values` are got and expected ones, of shape (N,).

    An answer that is not a finite number differs infinitely. Numbers have no flips.
    """
    difference = (got.double() - expected.double()).abs() / torch.tensor(units, dtype=torch.float64)
    flips = [
        Flip(file=name, expected=text_of(task.labels(then)), got=text_of(task.labels(now)))
        for name, now, then in zip(names, got.tolist(), expected.tolist(), strict=True)
        if task.probabilities(then) and task.labels(now) != task.labels(then)
    ]
    largest = _largest(difference) if len(names) else 0.0
    return Parity(
        images=len(names),
        largest_difference=largest,
        limit=limit,
        flips=flips,
        largest_p_difference=_largest(p_values[0] - p_values[1]) if p_values and len(names) else 0.0,
    )


def _largest(difference: Tensor) -> float:
    """Infinite where a difference is not a finite number."""
    return float(difference.double().abs().nan_to_num(math.inf, posinf=math.inf).max())
