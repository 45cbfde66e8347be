"""The oracle: one operator's forward, gradient and local gradient against torch's own, on one case."""

import dataclasses
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from convlens.ops import Backward, Local, NoRule, Operator, tensor_inputs

TOLERANCE = {torch.float64: 1e-10, torch.float32: 2e-5, torch.bfloat16: 4e-2}
JACOBIAN_TOLERANCE = {"aten.hardsigmoid.default": 1e-7}  # torch's kernel rounds 1/6 to single precision


@dataclasses.dataclass(frozen=True)
class Random:
    """A tensor to be drawn: normal, uniform from `low` to `high`, or integers below `classes`."""

    shape: tuple[int, ...]
    low: float | None = None
    high: float = 2.0
    classes: int | None = None
    constant: bool = False
    channels_last: bool = False

    def draw(self, dtype: torch.dtype, generator: torch.Generator) -> Tensor:
        if self.classes is not None:
            return torch.randint(self.classes, self.shape, generator=generator)
        values = torch.randn(self.shape, generator=generator, dtype=torch.float64)
        if self.low is not None:
            values = self.low + (self.high - self.low) * torch.rand(self.shape, generator=generator).double()
        values = values.to(dtype)
        return values.contiguous(memory_format=torch.channels_last) if self.channels_last else values


@dataclasses.dataclass(frozen=True)
class Case:
    """The arguments of one call, tensors as Random."""

    args: tuple[Any, ...]
    kwargs: dict[str, Any] = dataclasses.field(default_factory=dict)
    dtypes: tuple[torch.dtype, ...] = (torch.float64, torch.float32, torch.bfloat16)

    def draw(self, dtype: torch.dtype) -> tuple[tuple[Any, ...], dict[str, Any]]:
        generator = torch.Generator().manual_seed(len(repr(self)))
        args = _map(self.args, lambda spec: spec.draw(dtype, generator), Random)
        return args, _map(self.kwargs, lambda spec: spec.draw(dtype, generator), Random)

    def shapes(self) -> tuple[tuple[Any, ...], dict[str, Any]]:
        return _map(self.args, lambda spec: spec.shape, Random), _map(self.kwargs, lambda spec: spec.shape, Random)

    @property
    def constants(self) -> list[bool]:
        """For each tensor input: is it one that nobody differentiates by?"""
        specs = _specs((self.args, tuple(self.kwargs.values())))
        return [isinstance(spec, Tensor) or spec.constant or spec.classes is not None for spec in specs]


def _specs(value: Any) -> Iterator[Random | Tensor]:
    if isinstance(value, Random | Tensor):
        yield value
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _specs(item)


def _map(value: Any, change: Any, kind: type) -> Any:
    if isinstance(value, kind):
        return change(value)
    if isinstance(value, list | tuple):
        return type(value)(_map(item, change, kind) for item in value)
    if isinstance(value, dict):
        return {key: _map(item, change, kind) for key, item in value.items()}
    return value


def task_of(operator: Operator) -> Any:
    """Torch's own function of that name."""
    _, packet, overload = operator.name.split(".")
    return getattr(getattr(torch.ops.aten, packet), overload)


def relative_error(ours: Tensor, theirs: Tensor) -> float:
    """The largest difference relative to the largest value."""
    assert ours.shape == theirs.shape, f"shape {tuple(ours.shape)} instead of {tuple(theirs.shape)}"
    assert ours.dtype == theirs.dtype, f"dtype {ours.dtype} instead of {theirs.dtype}"
    if ours.numel() == 0:
        return 0.0
    ours, theirs = ours.double(), theirs.double()
    same_infinities = ours.isfinite() | (ours == theirs)
    assert same_infinities.all()
    finite = theirs.isfinite()
    difference = (ours - theirs)[finite].abs().max() if finite.any() else torch.zeros(())
    return float(difference / theirs[finite].abs().max().clamp(min=1e-12)) if finite.any() else 0.0


def _outputs(value: Any) -> tuple[Tensor, ...]:
    return tuple(value) if isinstance(value, list | tuple) else (value,)


def _differentiable(value: Any) -> tuple[Tensor, ...]:
    """The outputs without those that are places or counts."""
    return tuple(y for y in _outputs(value) if y.is_floating_point())


def check_forward(operator: Operator, case: Case, dtype: torch.dtype) -> None:
    """The same value as torch's, from the same random numbers; no argument is changed."""
    args, kwargs = case.draw(dtype)
    before = [tensor.clone() for tensor in tensor_inputs(args, kwargs)]
    torch.manual_seed(0)
    ours, _ = operator.forward(*args, **kwargs)
    assert all(torch.equal(a, b) for a, b in zip(before, tensor_inputs(args, kwargs), strict=True))
    torch.manual_seed(0)
    theirs = task_of(operator)(*args, **kwargs)
    for a, b in zip(_outputs(ours), _outputs(theirs), strict=True):
        error = relative_error(a, b)
        assert error <= TOLERANCE[dtype], f"{operator.name}: forward differs by {error:.2g}"


def check_gradient(operator: Operator, case: Case, dtype: torch.dtype) -> None:
    """The same gradients as autograd's, all at once and each alone, with no more values than `reads` asks for."""
    args, kwargs = case.draw(dtype)
    inputs = list(tensor_inputs(args, kwargs))
    differentiable = tuple(
        x.is_floating_point() and not constant for x, constant in zip(inputs, case.constants, strict=True)
    )
    upstream, theirs = _by_autograd(operator, args, kwargs, differentiable)
    singles = [tuple(i == k for i in range(len(inputs))) for k, wanted in enumerate(differentiable) if wanted]
    for needs in dict.fromkeys([differentiable, *singles]):
        ours = _by_rule(operator, args, kwargs, upstream, needs)
        assert len(ours) == len(inputs), f"{operator.name}: {len(ours)} gradients for {len(inputs)} tensor inputs"
        for position, (a, b, wanted) in enumerate(zip(ours, theirs, needs, strict=True)):
            if not wanted:
                assert a is None, f"{operator.name}: the gradient of input {position} was not asked for"
                continue
            error = relative_error(torch.zeros_like(b) if a is None else a, b)
            assert error <= TOLERANCE[dtype], f"{operator.name}: gradient of input {position} differs by {error:.2g}"


def _by_autograd(
    operator: Operator, args: Any, kwargs: Any, differentiable: tuple[bool, ...]
) -> tuple[Any, list[Tensor | None]]:
    wanted = iter(differentiable)
    leaves: list[Tensor] = []

    def leaf(x: Tensor) -> Tensor:
        leaves.append(x.detach().requires_grad_(next(wanted)))
        return leaves[-1]

    args, kwargs = _map(args, leaf, Tensor), _map(kwargs, leaf, Tensor)
    torch.manual_seed(0)
    outputs = task_of(operator)(*args, **kwargs)
    generator = torch.Generator().manual_seed(1)
    flowing = _differentiable(outputs)
    upstream = [torch.randn(y.shape, generator=generator, dtype=torch.float64).to(y.dtype) for y in flowing]
    unused = 1 if len(flowing) > 2 else None
    needed = [x for x in leaves if x.requires_grad]
    given = [torch.zeros_like(g) if k == unused else g for k, g in enumerate(upstream)]
    gradients = iter(torch.autograd.grad(flowing, needed, given))
    theirs = [next(gradients) if x.requires_grad else None for x in leaves]
    if not isinstance(outputs, list | tuple):
        return upstream[0], theirs
    told = iter(None if k == unused else g for k, g in enumerate(upstream))
    return tuple(next(told) if y.is_floating_point() else None for y in outputs), theirs


@torch.no_grad()
def _by_rule(operator: Operator, args: Any, kwargs: Any, upstream: Any, needs: tuple[bool, ...]) -> tuple[Any, ...]:
    torch.manual_seed(0)
    output, saved = operator.forward(*args, **kwargs)
    reads = operator.reads(needs)
    positions = iter(range(len(needs)))

    def outline(x: Tensor) -> Tensor:
        return x if next(positions) in reads.inputs else x.to("meta")

    args, kwargs = _map(args, outline, Tensor), _map(kwargs, outline, Tensor)
    if not reads.output:
        output = _map(output, lambda y: y.to("meta"), Tensor)
    assert not isinstance(operator.gradient, NoRule)
    return operator.gradient(Backward(upstream, output, saved, needs), *args, **kwargs)


def check_local_gradient(operator: Operator, case: Case) -> None:
    """The same tensor ∂y/∂u as torch's jacobian, for each differentiable input, in double precision."""
    args, kwargs = case.draw(torch.float64)
    args = _map(args, Tensor.contiguous, Tensor)  # torch crashes on group_norm's weight alone in channels-last memory
    inputs = list(tensor_inputs(args, kwargs))
    torch.manual_seed(0)
    output, saved = operator.forward(*args, **kwargs)
    assert not isinstance(operator.local_gradient, NoRule)
    for wrt, (u, constant) in enumerate(zip(inputs, case.constants, strict=True)):
        if constant or not u.is_floating_point():
            continue
        ours = operator.local_gradient(Local(output, saved, wrt), *args, **kwargs)
        theirs = torch.autograd.functional.jacobian(lambda x, wrt=wrt: _at(operator, args, kwargs, wrt, x), u)
        for a, b in zip((y for y in _outputs(ours) if y is not None), _outputs(theirs), strict=True):
            error = relative_error(a, b)
            assert error <= JACOBIAN_TOLERANCE.get(operator.name, 1e-10), (
                f"{operator.name}: ∂y/∂u of input {wrt} differs by {error:.2g}"
            )


def _at(operator: Operator, args: Any, kwargs: Any, wrt: int, x: Tensor) -> Any:
    positions = iter(range(wrt + 1_000))

    def replaced(old: Tensor) -> Tensor:
        return x if next(positions) == wrt else old

    args, kwargs = _map(args, replaced, Tensor), _map(kwargs, replaced, Tensor)
    torch.manual_seed(0)
    result = task_of(operator)(*args, **kwargs)
    return _differentiable(result) if isinstance(result, list | tuple) else result
