"""Finite: whether every number of a state is one that a network can compute with."""

import torch
from torch import Tensor

from convlens.core.errors import DataError
from convlens.zoo.match import State

_VARIANCE = "running_var"
_SHOWN = 3


def refuse_not_finite(state: State, source: object) -> None:
    """Raises DataError, with the first names, where tensors hold NaN or infinity, or running variances below zero."""
    bad = {name: reason for name, tensor in state.items() if (reason := _reason(name, tensor))}
    if not bad:
        return
    shown = "; ".join(f"{name} ({reason})" for name, reason in [*bad.items()][:_SHOWN])
    more = f"; and {len(bad) - _SHOWN} more tensors" if len(bad) > _SHOWN else ""
    raise DataError(
        f"{source} holds values that no network can compute with: {shown}{more}. The training that wrote it had "
        "diverged, or the file was converted wrongly. Take an earlier checkpoint, or other weights."
    )


def _reason(name: str, tensor: Tensor) -> str:
    """What is wrong with the numbers; "" where nothing is."""
    if tensor.is_meta or not tensor.is_floating_point():
        return ""
    # One pass without memory of its own: NaN and infinity leave extremes that are not finite.
    low, high = torch.aminmax(tensor) if tensor.numel() else (tensor.new_zeros(()), tensor.new_zeros(()))
    if not bool(torch.isfinite(low) & torch.isfinite(high)):
        num_nan, num_infinite = int(tensor.isnan().sum()), int(tensor.isinf().sum())
        counts = [f"{num_nan} NaN"] * bool(num_nan) + [f"{num_infinite} infinite"] * bool(num_infinite)
        return f"{' and '.join(counts)} of {tensor.numel()}"
    if name.endswith(_VARIANCE) and float(low) < 0:
        return f"a variance below zero, {float(low):.3g}"
    return ""
