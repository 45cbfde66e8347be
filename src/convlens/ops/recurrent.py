"""Recurrent networks: what they cost. They have no gradient rule: torch runs all steps in one operator.

Legend: T time steps, N samples, I and H lengths of the input and of the hidden state, G gates (LSTM 4, GRU 3, else 1).
A layer multiplies each weight once at each step: T N G H (I + H) multiply-adds, and those of a projection.
"""

from collections.abc import Callable, Mapping, Sequence
from math import prod
from types import MappingProxyType
from typing import Any, NamedTuple

from convlens.ops.linear import Counts
from convlens.ops.record import Needs, Shape


class _Products(NamedTuple):
    """Multiply-adds: of all steps, of the weights that read the input, of those that read the first step's state."""

    forward: int
    of_input: int
    of_first_state: int


def _products(samples: int, steps: int, directions: Sequence[Sequence[Shape]], num_first: int) -> _Products:
    """Of the parameters of each layer in each direction; `num_first` of these are of the first layer.

    A direction has the weights of the input, those of the state, biases, and those of a projection.
    """
    weights = [prod(shape) for own in directions for shape in own if len(shape) == 2]
    return _Products(
        forward=samples * steps * sum(weights),
        of_input=samples * steps * sum(prod(own[0]) for own in directions[:num_first]),
        of_first_state=samples * sum(prod(own[1]) for own in directions),
    )


def _directions(parameters: Sequence[Shape], number: int) -> list[Sequence[Shape]]:
    length = len(parameters) // number
    return [parameters[start : start + length] for start in range(0, len(parameters), length)]


def _padded(
    _output: Any,
    u: Shape,
    _state: Any,
    parameters: Sequence[Shape],
    _biases: bool,
    num_layers: int,
    _dropout: float,
    _train: bool,
    bidirectional: bool,
    batch_first: bool = False,
) -> _Products:
    both = 1 + bidirectional
    steps = u[1] if batch_first and len(u) == 3 else u[0]
    return _products(prod(u[:-1]) // steps, steps, _directions(parameters, num_layers * both), both)


def _packed(
    _output: Any,
    u: Shape,
    _batch_sizes: Shape,
    _state: Any,
    parameters: Sequence[Shape],
    _biases: bool,
    num_layers: int,
    _dropout: float,
    _train: bool,
    bidirectional: bool,
) -> _Products:
    """Of sequences of unequal lengths; the first states' gradient depends on how many, which is not given."""
    both = 1 + bidirectional
    return _products(1, u[0], _directions(parameters, num_layers * both), both)._replace(of_first_state=0)


def _cell(_output: Any, u: Shape, _state: Any, w: Shape, recurrent: Shape, *_biases: Any) -> _Products:
    return _products(prod(u[:-1]), 1, [(w, recurrent)], 1)


def _counts(rule: Callable[..., _Products]) -> Counts:
    def backward(context: tuple[Needs, Any], *args: Any, **kwargs: Any) -> int:
        """As much as forward for the weights, and again for what they read, where its gradient is wanted."""
        needs, output = context
        products = rule(output, *args, **kwargs)
        spared = (0 if needs[0] else products.of_input) + (0 if needs[1] else products.of_first_state)
        return 2 * products.forward - spared

    return {"multiply_adds": lambda *args, **kwargs: rule(*args, **kwargs).forward, "backward_multiply_adds": backward}


COUNTED: Mapping[str, Counts] = MappingProxyType(
    {
        f"aten.{kind}{form}": _counts(rule)
        for kind in ("lstm", "gru", "rnn_tanh", "rnn_relu")
        for form, rule in ((".input", _padded), (".data", _packed), ("_cell.default", _cell))
    }
)
"""Operators outside the table whose multiply-adds are known all the same, by name."""
