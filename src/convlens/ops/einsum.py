"""Einstein summation of two tensors, written with letters for indices: "bchw,dc->bdhw".

Legend: u, v operands, y output; an index that y lacks is summed over.
"""

import string
from collections.abc import Sequence
from math import prod
from typing import Any

import torch
from torch import Tensor

from convlens.core.errors import UsageError
from convlens.ops.broadcasting import sum_to
from convlens.ops.dense import linear_map
from convlens.ops.record import Backward, Gradients, Local, Needs, Seen, Shape, Subscripts, operator, reads_other_factor


def _letters(equation: str, shapes: Sequence[Shape]) -> tuple[str, str, str]:
    """The indices of u, v and y, with letters for the axes that the equation leaves to an ellipsis or to the rule."""
    inputs, arrow, output = equation.replace(" ", "").partition("->")
    terms = inputs.split(",")
    if len(shapes) != 2 or any(len(set(named)) < len(named) for named in map(_named, terms)):
        raise UsageError(
            f"aten.einsum has no rule for {equation!r} with {len(shapes)} operands. Accepted: two operands, "
            "no letter twice in one operand, as in 'bchw,dc->bdhw'. Rewrite it in such steps."
        )
    if not arrow:
        once = sorted(letter for letter in _named(inputs.replace(",", "")) if inputs.count(letter) == 1)
        output = "".join(["..." * ("..." in inputs), *once])
    num_others = [len(shape) - len(_named(term)) for term, shape in zip(terms, shapes, strict=True)]
    others = "".join(letter for letter in string.ascii_letters if letter not in equation)[: max(num_others)]
    of_u, of_v = (
        term.replace("...", others[len(others) - number :]) for term, number in zip(terms, num_others, strict=True)
    )
    return of_u, of_v, output.replace("...", others)


def _named(term: str) -> str:
    return term.replace("...", "")


def _einsum(equation: str, operands: Any, *, path: Any = None) -> tuple[Tensor, None]:
    _letters(equation, [operand.shape for operand in operands])
    return torch.einsum(equation, *operands), None


def _factor_gradient(g: Tensor, output: str, other: Tensor, others: str, own: str, shape: Shape) -> Tensor:
    """∂J/∂u = Σ ∂J/∂y v over the indices that u lacks, repeated along the indices that only u has."""
    shared = "".join(letter for letter in own if letter in output + others)
    du = torch.einsum(f"{output},{others}->{shared}", g, other)
    for axis, letter in enumerate(own):
        if letter not in shared:
            du = du.unsqueeze(axis)
    return sum_to(du.expand([max(a, b) for a, b in zip(du.shape, shape, strict=True)]), shape)


def _gradient(back: Backward, equation: str, operands: Any, *, path: Any = None) -> Gradients:
    u, v = operands
    of_u, of_v, of_y = _letters(equation, (u.shape, v.shape))
    return (
        _factor_gradient(back.upstream, of_y, v, of_v, of_u, u.shape) if back.needs[0] else None,
        _factor_gradient(back.upstream, of_y, u, of_u, of_v, v.shape) if back.needs[1] else None,
    )


def _local_gradient(local: Local, equation: str, operands: Any, *, path: Any = None) -> Tensor:
    u, v = operands
    if local.wrt == 0:
        return linear_map(u, lambda e: torch.einsum(equation, e, v))
    return linear_map(v, lambda e: torch.einsum(equation, u, e))


def _multiply_adds(_output: Shape, equation: str, operands: Any, **_: Any) -> int:
    """The product of all lengths; what only one operand has and y lacks is summed before anything is multiplied."""
    of_u, of_v, of_y = _letters(equation, operands)
    lengths: dict[str, int] = {}
    for letter, n in zip(of_u + of_v, (length for shape in operands for length in shape), strict=True):
        lengths[letter] = max(n, lengths.get(letter, 1))
    return prod(n for letter, n in lengths.items() if letter in of_y or (letter in of_u and letter in of_v))


def _backward_multiply_adds(context: tuple[Needs, Shape], equation: str, operands: Any, **_: Any) -> int:
    needs, output = context
    return sum(needs) * _multiply_adds(output, equation, operands)


def _window(_output: Shape, equation: str, operands: Any, *, path: Any = None) -> Seen:
    of_u, of_v, of_y = (tuple(map(ord, term)) for term in _letters(equation, operands))
    return Subscripts(inputs=(of_u, of_v), output=of_y)


EINSUM = operator(
    "aten.einsum.default",
    _einsum,
    _gradient,
    _local_gradient,
    structure="matrix",
    formula="y = Σ u v over the indices that y lacks;  ∂J/∂u = Σ ∂J/∂y v over the indices that u lacks,  "
    "∂J/∂v = Σ ∂J/∂y u over those that v lacks",
    latex=r"y_Y = \sum_{(U \cup V) \setminus Y} u_U\,v_V, \quad "
    r"\frac{\partial J}{\partial u_U} = \sum_{(Y \cup V) \setminus U} \frac{\partial J}{\partial y_Y}\,v_V",
    reads=reads_other_factor,
    multiply_adds=_multiply_adds,
    backward_multiply_adds=_backward_multiply_adds,
    window=_window,
)
