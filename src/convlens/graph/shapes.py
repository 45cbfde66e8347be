"""Shapes of a graph for one batch size, in the form that the operators' rules on shapes take."""

import ast
import operator
from collections.abc import Callable, Mapping
from typing import Any

from convlens.graph.graph import BATCH, Graph, Node, Ref, replace_references

_ARITHMETIC: Mapping[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
}
_FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    "IntTrueDiv": operator.truediv,
    "FloatTrueDiv": operator.truediv,
    "FloatPow": operator.pow,
    "PowByNatural": operator.pow,
    "ToFloat": float,
    "Max": max,
    "Min": min,
}
"""Torch's names for arithmetic that Python has no sign for, or has with other rules."""


class UnknownSizeError(ValueError):
    """A size that depends on the values of tensors, as the number of places at which a mask is true."""


def dimension(size: int | str, batch: int) -> int:
    """A dimension as a number: text such as "49*batch" is worked out for that batch size.

    Raises UnknownSizeError where it depends on values.
    """
    return size if isinstance(size, int) else int(number(size, batch))


def number(size: str, batch: int) -> float:
    """What a node computes of sizes, such as "IntTrueDiv(1, batch)", for that batch size; an int where it is one.

    Raises UnknownSizeError where it depends on values.
    """
    value: float = _value(ast.parse(size, mode="eval").body, batch)
    return value


def shape_of(node: Node, batch: int) -> tuple[int, ...] | None:
    """A node's shape in numbers, None for a size or for several outputs."""
    return None if node.shape is None else tuple(dimension(size, batch) for size in node.shape)


def arguments_in_shapes(graph: Graph, node: Node, batch: int) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The node's arguments and keywords with shapes instead of tensors, and numbers instead of sizes."""

    def stand_in(ref: Ref) -> Any:
        source = graph.by_name[ref.name]
        return number(source.size, batch) if source.size is not None else shape_of(source, batch)

    keywords = {key: replace_references(value, stand_in) for key, value in node.keywords.items()}
    return replace_references(node.arguments, stand_in), keywords


def _value(expression: ast.expr, batch: int) -> Any:
    match expression:
        case ast.Constant(value=int(constant) | float(constant)):
            return constant
        case ast.Name(id=name) if name == BATCH:
            return batch
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _ARITHMETIC:
            return _ARITHMETIC[type(op)](_value(left, batch), _value(right, batch))
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_value(operand, batch)
        case ast.Call(func=ast.Name(id=name), args=arguments) if name in _FUNCTIONS:
            return _FUNCTIONS[name](*(_value(argument, batch) for argument in arguments))
    raise UnknownSizeError(f"the size {ast.unparse(expression)} depends on values")
