"""Gradients from elsewhere, to compare ours with: torch's autograd, and differences of function values."""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from convlens.gradient.plan import Step

STEP = 1e-7
"""How far a difference quotient goes to either side, relative to the size of the values."""
NOISE = 1e-3
SEED = 0
STOPPED_ON_PURPOSE = frozenset({"aten.detach.default", "aten.item.default"})


@dataclasses.dataclass(frozen=True, kw_only=True)
class Function:
    """Torch's own operators of these steps, as a function of the nodes `wanted`; all else is constant.

    Random numbers are the same at every call.
    """

    steps: tuple[Step, ...]
    values: Mapping[str, Any]
    wanted: tuple[str, ...]
    outputs: tuple[str, ...]
    held: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    """Values of steps that are not computed."""

    def fresh_values(self) -> dict[str, Any]:
        """The given values, of which those that a step changes are copies: buffers are the same for every pass."""
        changed = {name for step in self.steps if step.node.mutates for name in step.inputs} - set(self.wanted)
        copies = {name: self.values[name].clone() for name in changed if isinstance(self.values.get(name), Tensor)}
        return {**self.values, **copies}

    def point(self) -> tuple[Tensor, ...]:
        """The values of the nodes `wanted`."""
        return tuple(self.values[name].detach() for name in self.wanted)

    def __call__(self, *point: Tensor) -> list[Tensor]:
        """The outputs at this point, those of one operator with several outputs one after the other."""
        values = self._all(point)
        return [y for name in self.outputs for y in tensors(values[name])]

    def held_where_stopped(self) -> "Function":
        """The same with the values held that are handed on without a gradient, those of `detach` and `item`.

        Of this function the gradient is the derivative, also where a change would come through there.
        """
        values = self._all(self.point())
        stopped = [step.name for step in self.steps if step.node.operator in STOPPED_ON_PURPOSE]
        return dataclasses.replace(self, held={name: values[name] for name in stopped})

    def _all(self, point: Sequence[Tensor]) -> Mapping[str, Any]:
        torch.manual_seed(SEED)
        values = {**self.fresh_values(), **dict(zip(self.wanted, point, strict=True)), **self.held}
        for step in self.steps:
            if step.name not in self.held:
                arguments, keywords = step.arguments(values)
                assert step.node.target is not None
                values[step.name] = step.node.target(*arguments, **keywords)
        return values


def tensors(value: Any) -> Iterator[Tensor]:
    """The tensor, or those in the list."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, list | tuple):
        yield from value


def off_kinks(x: Tensor) -> Tensor:
    """x with a thousandth of noise: where elements are equal, or zero, a derivative may not exist."""
    noise = NOISE * torch.randn_like(x)
    return torch.where(x == 0, noise * size(x), x * (1 + noise))


def size(x: Tensor) -> Tensor:
    """The root mean square of the elements, 1 where all are zero."""
    mean = x.square().mean().sqrt() if x.numel() else x.new_zeros(())
    return torch.where(mean == 0, 1.0, mean)


def autograd_gradients(
    function: Function, point: Sequence[Tensor], upstream: Sequence[Tensor | None]
) -> tuple[Tensor | None, ...]:
    """What autograd answers, None where no gradient flows."""
    with torch.enable_grad():
        leaves = [x.detach().clone().requires_grad_() for x in point]
        pairs = [(y, g) for y, g in zip(function(*leaves), upstream, strict=True) if g is not None and y.requires_grad]
    if not pairs:
        return (None,) * len(leaves)
    return torch.autograd.grad([y for y, _ in pairs], leaves, [g for _, g in pairs], allow_unused=True)


def relative_error(ours: Tensor | None, theirs: Tensor | None) -> float:
    """The largest difference, relative to the largest element; None is zero everywhere."""
    if ours is None or theirs is None:
        other = theirs if ours is None else ours
        return 0.0 if other is None or not other.any() else 1.0
    if ours.shape != theirs.shape:
        return float("inf")
    if not ours.numel():
        return 0.0
    return float((ours - theirs).abs().max() / theirs.abs().max().clamp(min=1e-300))


@torch.no_grad()
def finite_difference_error(
    function: Function,
    point: Sequence[Tensor],
    upstream: Sequence[Tensor | None],
    gradients: Sequence[Tensor | None],
) -> float:
    """How far the derivative of J = Σ upstream · y along one direction is from the inner product with our gradients.

    The direction follows the signs of our gradients, so that nothing cancels; where they are zero it is random.
    Relative to the derivative, or to a thousandth of the terms of J where that is larger: a difference of J cannot
    show a smaller derivative.
    """
    function = function.held_where_stopped()
    filled = [torch.zeros_like(x) if g is None else g for x, g in zip(point, gradients, strict=True)]
    directions = [_along(x, g) for x, g in zip(point, filled, strict=True)]
    expected = sum(float((g * v).sum()) for g, v in zip(filled, directions, strict=True))
    before, after = (
        _weighted(function, upstream, [x + side * STEP * v for x, v in zip(point, directions, strict=True)])
        for side in (-1, 1)
    )
    measured = (sum(after) - sum(before)) / (2 * STEP)
    scale = max(abs(expected), abs(measured), 1e-3 * sum(map(abs, after)), 1e-300)
    return abs(measured - expected) / scale


def _along(x: Tensor, gradient: Tensor) -> Tensor:
    random = torch.randn_like(x)
    return size(x) * torch.where(gradient == 0, random, random.abs() * gradient.sign())


def _weighted(function: Function, upstream: Sequence[Tensor | None], point: Sequence[Tensor]) -> list[float]:
    """The terms of J, one for each output."""
    return [float((g * y).sum()) for y, g in zip(function(*point), upstream, strict=True) if g is not None]
