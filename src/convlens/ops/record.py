"""The record of one operator, and what its rules are given and answer.

Legend: u, v ... the operator's tensor inputs, y its output, J the scalar that is differentiated, ∂J/∂y the upstream
gradient. "Tensor inputs" are the tensors among `args` then `kwargs`, lists flattened, in that order.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, TypeAlias, TypeVar

import torch

T = TypeVar("T")

Shape: TypeAlias = tuple[int, ...]
Needs: TypeAlias = tuple[bool, ...]
"""One entry for each tensor input: is its gradient wanted?"""
Gradients: TypeAlias = tuple[Any, ...]
"""One entry for each tensor input: its gradient, or None where none is wanted or none flows."""
Structure: TypeAlias = Literal[
    "elementwise",
    "selection",
    "sum",
    "matrix",
    "convolution",
    "normalization",
    "softmax",
    "attention",
    "loss",
    "none",
]
"""What the local gradient tensor looks like: diagonal, one-hot rows, rows of equal weights, a matrix product, ..."""


@dataclass(frozen=True)
class NoRule:
    """There is explicitly no rule here; `reason` says why, as the end of the sentence "it has none, because ..."."""

    reason: str


class Backward(NamedTuple):
    """What a gradient rule is given beside the operator's own arguments.

    An input that `reads` does not list, and an output that it does not ask for, may arrive as meta tensors: shape,
    dtype and strides without values. Operators with several outputs get a tuple of upstream gradients, None for
    unused ones.
    """

    upstream: Any
    output: Any
    saved: Any
    needs: Needs


class Local(NamedTuple):
    """What a local gradient rule is given beside the arguments: the forward result and the tensor input `wrt`."""

    output: Any
    saved: Any
    wrt: int


class Reads(NamedTuple):
    """The values that a gradient rule reads; a driver may free all others as soon as the forward pass allows it."""

    inputs: tuple[int, ...] = ()
    output: bool = False


@dataclass(frozen=True, kw_only=True)
class Window:
    """What one output element sees along the last axes of the tensor, one entry per axis: as a rule axes 2, 3, ...

    Output place i sees input places `i * stride - padding + k * dilation` for k = 0 .. kernel - 1; `padding` counts the
    places before the first one, and is negative where the operator drops some.
    """

    kernel: Shape
    stride: Shape
    padding: Shape
    dilation: Shape
    whole: Shape = ()
    """Axes of the input that every output element sees whole beside that, such as the channels of a convolution."""


@dataclass(frozen=True)
class WholeInput:
    """Every output element may depend on every place of the input."""


@dataclass(frozen=True, kw_only=True)
class Subscripts:
    """Which axes output elements share with the inputs, as in einsum: a label for each axis.

    Along an axis with a label that the output has, too, an output element sees the same place; an axis with another
    label is seen whole. `inputs` has one row for each of the first tensor inputs.
    """

    inputs: tuple[Shape, ...]
    output: Shape


@dataclass(frozen=True)
class Reshaped:
    """The elements stay in their order, in another shape."""


@dataclass(frozen=True)
class Taken:
    """One place of an axis, which falls away."""

    axis: int
    index: int


@dataclass(frozen=True)
class Joined:
    """The inputs stand one after the other along an axis; along a new one if `new`."""

    axis: int
    new: bool = False


@dataclass(frozen=True)
class Parted:
    """A list of parts along an axis, which falls away if `removed`."""

    axis: int
    removed: bool = False


@dataclass(frozen=True)
class Inserted:
    """The first input, with the second one from `start` on in steps along an axis, which it lacks if `removed`."""

    axis: int
    start: int
    step: int = 1
    removed: bool = False


@dataclass(frozen=True)
class Scattered:
    """Each place along these axes sees some place of the input, by no window; `reason` says how."""

    axes: Shape
    reason: str


Seen: TypeAlias = Window | WholeInput | Subscripts | Reshaped | Taken | Joined | Parted | Inserted | Scattered | NoRule

POINTWISE = Window(kernel=(), stride=(), padding=(), dilation=())
"""Each output place sees the same place of the input: kernel 1 on every spatial axis, however many there are."""
WHOLE_INPUT = WholeInput()
RESHAPED = Reshaped()


def whole_along(rank: int, axes: Iterable[int], *, kept: bool) -> Subscripts:
    """One input of that rank: seen whole along these axes, which stay if `kept`, and at one place along the others."""
    seen_whole = {axis % rank for axis in axes}
    output = [axis + rank if axis in seen_whole else axis for axis in range(rank) if kept or axis not in seen_whole]
    return Subscripts(inputs=(tuple(range(rank)),), output=tuple(output))


def reordered(order: Iterable[int]) -> Subscripts:
    """The axes of one input in another order."""
    axes = tuple(order)
    rank = len(axes)
    return Subscripts(inputs=(tuple(range(rank)),), output=tuple(axis % rank for axis in axes))


Rule: TypeAlias = Callable[..., T]
"""A function of a context (what the forward pass left, or shapes), then the operator's own arguments."""


@dataclass(frozen=True, kw_only=True)
class Operator:
    """All that convlens knows about one ATen operator.

    Each of `gradient`, `local_gradient`, `multiply_adds`, `backward_multiply_adds` and `window` is a rule or an
    explicit NoRule. The rules take a context, then the operator's arguments exactly as they stand in the graph:

    - `forward(*args)` gives `(value, saved)`; `saved` is what the gradient needs beyond inputs and output, in memory
      of its own. No argument is changed: batch normalization in training mode leaves its running statistics alone.
    - `updating_forward(*args)` is `forward` for an operator that changes state when it runs (running statistics, a
      counter of batches), and changes it as torch does; None for all others.
    - `in_place(*args)` gives the value of `forward`, written over the first argument, which must have the value's shape
      and number format; None where no such kernel exists, or where the gradient reads the first argument.
    - `gradient(Backward, *args)` gives the vector-Jacobian product, one gradient for each tensor input.
    - `reads(needs)` names the values that `gradient` will read when those gradients are wanted.
    - `local_gradient(Local, *args)` gives the tensor ∂y/∂u of order M+N, shape `y.shape + u.shape`, for small shapes; a
      tuple of them when the operator has several outputs.
    - `multiply_adds(output_shape, *args)`, `backward_multiply_adds((needs, output_shape), *args)` and
      `window(output_shape, *args)` take tuples of integers instead of tensors.
    """

    name: str
    forward: Callable[..., tuple[Any, Any]]
    gradient: Rule[Gradients] | NoRule
    local_gradient: Rule[Any] | NoRule
    structure: Structure
    formula: str
    latex: str
    reads: Callable[[Needs], Reads]
    multiply_adds: Rule[int] | NoRule
    backward_multiply_adds: Rule[int] | NoRule
    window: Rule[Seen] | NoRule
    updating_forward: Callable[..., tuple[Any, Any]] | None = None
    in_place: Callable[..., Any] | None = None


def operator(
    name: str,
    forward: Callable[..., tuple[Any, Any]],
    gradient: Rule[Gradients] | NoRule,
    local_gradient: Rule[Any] | NoRule,
    *,
    structure: Structure,
    formula: str,
    latex: str,
    reads: Callable[[Needs], Reads] | None = None,
    multiply_adds: Rule[int] | NoRule | None = None,
    backward_multiply_adds: Rule[int] | NoRule | None = None,
    window: Rule[Seen] | Window | WholeInput | Reshaped | NoRule = POINTWISE,
    updating_forward: Callable[..., tuple[Any, Any]] | None = None,
    in_place: Callable[..., Any] | None = None,
) -> Operator:
    """An Operator in which no multiply-adds are counted, nothing is read and the window is one place, unless said."""
    uncounted = NoRule(
        f"no multiply-adds are counted for {structure} operators, only for products with weights or keys"
    )
    return Operator(
        name=name,
        forward=forward,
        gradient=gradient,
        local_gradient=local_gradient,
        structure=structure,
        formula=formula,
        latex=latex,
        reads=reads or reads_nothing,
        multiply_adds=multiply_adds or uncounted,
        backward_multiply_adds=backward_multiply_adds or uncounted,
        window=constant_window(window) if isinstance(window, Window | WholeInput | Reshaped) else window,
        updating_forward=updating_forward,
        in_place=in_place,
    )


def constant_window(seen: Seen) -> Rule[Seen]:
    """The window rule that answers `seen` whatever the arguments."""
    return lambda _output_shape, *_args, **_kwargs: seen


def plain(function: Callable[..., Any]) -> Callable[..., tuple[Any, Any]]:
    """The forward rule of an operator that has nothing to save."""
    return lambda *args, **kwargs: (function(*args, **kwargs), None)


def only_wanted(gradients: Iterable[Any], needs: Iterable[bool]) -> Gradients:
    """The gradients that are wanted, None instead of the others: some kernels compute them along the way."""
    return tuple(gradient if wanted else None for gradient, wanted in zip(gradients, needs, strict=True))


def tensor_inputs(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Iterator[torch.Tensor]:
    """The tensors among the arguments in their order, those in lists included."""
    for value in (*args, *kwargs.values()):
        if isinstance(value, torch.Tensor):
            yield value
        elif isinstance(value, list | tuple):
            yield from tensor_inputs(tuple(value), {})


def reads_nothing(_needs: Needs) -> Reads:
    """The gradient needs shapes only."""
    return Reads()


def reads_output(_needs: Needs) -> Reads:
    """The gradient needs the output's values, and no input's."""
    return Reads(output=True)


def reads_inputs(*positions: int) -> Callable[[Needs], Reads]:
    """The gradient needs the values of the inputs at these positions."""
    return lambda needs: Reads(tuple(position for position in positions if position < len(needs)))


def reads_other_factor(needs: Needs) -> Reads:
    """Of two factors, the gradient of each needs the value of the other."""
    return Reads(tuple(other for other, wanted in ((1, needs[0]), (0, needs[1])) if wanted)) if needs[1:] else Reads()
