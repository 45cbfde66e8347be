"""Sizes and the integer arithmetic on them, constants, comparisons: operators through which no gradient flows."""

import operator as python_operator
from collections.abc import Callable
from typing import Any

import torch

from convlens.ops.record import POINTWISE, NoRule, Operator, Window, operator, plain

aten = torch.ops.aten

SIZE = "its value is a size, an integer that does not change with the input's values"
CONSTANT = "its value does not depend on any input's values"
RANDOM = "its value is random and does not depend on any input's values"
STEPS = "its value is constant except for steps, where no derivative exists"
CHECK = "it checks a property and has no value"
COUNTER = "it counts batches in an integer buffer"


def _without_gradient(
    name: str,
    forward: Callable[..., Any],
    reason: str,
    formula: str,
    latex: str,
    updating_forward: Callable[..., tuple[Any, Any]] | None = None,
    window: Window | None = None,
) -> Operator:
    return operator(
        name,
        plain(forward),
        NoRule(reason),
        NoRule(reason),
        structure="none",
        formula=f"{formula};  no gradient, because {reason}",
        latex=latex,
        multiply_adds=NoRule("no multiply-adds are counted for sizes, constants and comparisons"),
        backward_multiply_adds=NoRule(f"nothing runs backward: {reason}"),
        window=window or NoRule(reason),
        updating_forward=updating_forward,
    )


def _arithmetic(name: str, symbol: str) -> Operator:
    return _without_gradient(
        f"python.{name}",
        getattr(python_operator, name),
        SIZE,
        f"y = a {symbol} b, for sizes",
        rf"y = a \mathbin{{{symbol}}} b",
    )


ARITHMETIC = tuple(
    _arithmetic(name, symbol)
    for name, symbol in {
        "add": "+",
        "sub": "-",
        "mul": "·",
        "floordiv": "//",
        "truediv": "/",
        "mod": "mod",
        "pow": "^",
        "eq": "=",
        "ne": "≠",
        "lt": "<",
        "le": "≤",
        "gt": ">",
        "ge": "≥",
    }.items()
)

SYM_SIZE = _without_gradient(
    "aten.sym_size.int",
    lambda u, dim: u.shape[dim],
    SIZE,
    "y = length of u along an axis",
    r"y = \mathrm{length}(u, a)",
)
SYM_NUMEL = _without_gradient(
    "aten.sym_numel.default", lambda u: u.numel(), SIZE, "y = number of elements of u", r"y = |u|"
)
NEGATION = _without_gradient("python.neg", python_operator.neg, SIZE, "y = -a, for sizes", "y = -a")

CHECKS = tuple(
    _without_gradient(name, lambda *_args, **_kwargs: None, CHECK, "checks its arguments", r"\mathrm{check}")
    for name in ("aten._assert_tensor_metadata.default", "aten._assert_scalar.default")
)

BATCH_COUNTER = _without_gradient(
    "aten.add_.Tensor",
    torch.add,
    COUNTER,
    "y = batches seen so far + 1; here the buffer itself is left as it is",
    "y = b + 1",
    updating_forward=plain(aten.add_.Tensor),
)


def _made(name: str, reason: str, formula: str, latex: str) -> Operator:
    """A value that is made from sizes alone, or cut into steps, by the ATen operator itself."""
    packet, overload = name.split(".")
    return _without_gradient(f"aten.{name}", getattr(getattr(aten, packet), overload), reason, formula, latex)


CONSTANTS = tuple(
    _made(name, CONSTANT, formula, latex)
    for name, formula, latex in (
        ("zeros.default", "y = 0 everywhere", "y = 0"),
        ("zeros_like.default", "y = 0, in the shape of u", "y = 0"),
        ("new_zeros.default", "y = 0, in the number format of u", "y = 0"),
        ("ones.default", "y = 1 everywhere", "y = 1"),
        ("ones_like.default", "y = 1, in the shape of u", "y = 1"),
        ("new_ones.default", "y = 1, in the number format of u", "y = 1"),
        ("full.default", "y = c everywhere", "y = c"),
        ("scalar_tensor.default", "y = c, a number as a tensor", "y = c"),
        ("full_like.default", "y = c, in the shape of u", "y = c"),
        ("empty.memory_format", "y is memory that is not yet written", r"y\ \mathrm{unwritten}"),
        ("arange.default", "y = 0, 1, ..., n - 1", r"y_i = i"),
        ("arange.start", "y = a, a + 1, ..., b - 1", r"y_i = a + i"),
    )
)

RANDOMS = tuple(
    _made(name, RANDOM, formula, latex)
    for name, formula, latex in (
        ("rand.default", "y uniform in 0..1", r"y \sim U(0, 1)"),
        ("bernoulli.p", "y = 1 with probability p, else 0", r"y \sim \mathrm{Bernoulli}(p)"),
    )
)

CONSTANT_OPERATORS = frozenset(record.name for record in (*CONSTANTS, *RANDOMS))
"""Operators whose value does not depend on their inputs' values, only on their sizes."""

STEP_FUNCTIONS = tuple(
    _made(f"{name}.{overload}", STEPS, f"y = 1 where u {symbol} v, else 0", rf"y = [u \mathbin{{{symbol}}} v]")
    for name, symbol in {"eq": "=", "ne": "≠", "lt": "<", "le": "≤", "gt": ">", "ge": "≥"}.items()
    for overload in ("Scalar", "Tensor")
)

ARGMAX = _made("argmax.default", STEPS, "y = the place of the largest element", r"y = \arg\max_a u_a")
WHERE_SCALARS = _made("where.Scalar", STEPS, "y = a where a condition holds, else b", r"y = c\,a + (1 - c)\,b")
SIGN = _made("sign.default", STEPS, "y = -1, 0 or 1, as u is negative, zero or positive", r"y = \mathrm{sign}(u)")
LOGICAL_NOT = _made("logical_not.default", STEPS, "y = not u", r"y = \neg u")
ONE_HOT = _made("one_hot.default", STEPS, "y_ij = 1 where j is the class u_i, else 0", r"y_{ij} = [u_i = j]")
DETACH = _without_gradient(
    "aten.detach.default",
    torch.detach,
    "detaching stops the gradient on purpose",
    "y = u",
    "y = u",
    window=POINTWISE,
)
