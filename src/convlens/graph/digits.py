"""Digits: an axis of a value, written as a number in a mixed radix is, and the places of the input along each digit.

The most significant digit stands first: the 196 tokens of 14 x 14 patches of 16 pixels are a digit of length 14 for the
rows and one for the columns, each with a stride of 16 pixels.
"""

import dataclasses
import itertools
from collections.abc import Iterable, Sequence
from math import prod

IRREGULAR = -1
"""Instead of an axis: steps along the digit change what is seen, but by no fixed stride."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Digit:
    """One digit of the places of an axis: its length, and what a step of it moves along, by how many pixels."""

    length: int
    axis: int | None = None
    """The spatial axis of the input, 0 for the first; None where a step changes no place, as in the batch."""
    stride: int = 0

    @property
    def moves(self) -> bool:
        """Whether elements that differ in this digit see different places."""
        return self.length > 1 and (self.axis == IRREGULAR or self.stride != 0)

    def split(self, inner: int) -> "tuple[Digit, Digit]":
        """The same as two digits, the second one of length `inner`."""
        outer = dataclasses.replace(self, length=self.length // inner, stride=self.stride * inner)
        return outer, dataclasses.replace(self, length=inner)


Digits = tuple[Digit, ...]


def length_of(digits: Iterable[Digit]) -> int:
    """The number of places of an axis of these digits."""
    return prod(digit.length for digit in digits)


def merged_digits(digits: Iterable[Digit]) -> Digits:
    """The fewest digits that say the same: neighbors that count on as one become one, those of one place none."""
    merged: list[Digit] = []
    for digit in digits:
        if digit.length == 1:
            continue
        if merged and merged[-1].axis == digit.axis and merged[-1].stride == digit.length * digit.stride:
            digit = dataclasses.replace(digit, length=merged.pop().length * digit.length)
        merged.append(digit)
    return tuple(merged)


def stride_of(digits: Sequence[Digit]) -> int | None:
    """That of all digits of one axis together, wherever they are; None where they do not count on as one."""
    longer = [digit for digit in digits if digit.length > 1]
    if not longer:
        return next((digit.stride for digit in digits), 0)
    inner_last = sorted(longer, key=lambda digit: -digit.stride)
    for outer, inner in itertools.pairwise(inner_last):
        if outer.stride != inner.length * inner.stride:
            return None
    return inner_last[-1].stride


# An axis cut in another way


def taken_off(left: list[Digit], length: int) -> Digits | None:
    """The digits of an axis of that length, off the end of `left`; None where they do not divide so."""
    group: list[Digit] = []
    while length > 1:
        digit = left.pop()
        if digit.length > length and digit.length % length == 0:
            digit, inner = digit.split(digit.length // length)
            left.append(inner)
        if length % digit.length:
            return None
        group.append(digit)
        length //= digit.length
    return tuple(group)


# The digits of several values


def repeated(digits: Digits, length: int) -> Digits:
    """The digits of an axis that is repeated to that length if it has one place."""
    if length_of(digits) == length:
        return merged_digits(digits) or digits
    axis = next((digit.axis for digit in digits if digit.axis is not None), None)
    return (Digit(length=length, axis=IRREGULAR if any(digit.moves for digit in digits) else axis),)


def common_digits(rows: Sequence[Digits], length: int) -> tuple[Digits, Sequence[Digits]]:
    """The digits of an axis that hold for all rows, and the rows in digits of the same lengths."""
    if length == 1:
        return next((row for row in rows if row), ()), [()] * len(rows)
    columns = _columns(rows)
    if columns is None:
        moving = any(digit.moves for row in rows for digit in row)
        return (Digit(length=length, axis=IRREGULAR if moving else None),), rows
    return tuple(map(_common, columns)), [*zip(*columns, strict=True)]


def _columns(rows: Sequence[Digits]) -> list[Digits] | None:
    """The rows cut into digits of the same lengths, digit by digit; None where they do not divide so."""
    left, columns = [[*row] for row in rows], list[Digits]()
    while all(left):
        last = [row.pop() for row in left]
        length = min(digit.length for digit in last)
        if any(digit.length % length for digit in last):
            return None
        for place, (row, digit) in enumerate(zip(left, last, strict=True)):
            if digit.length > length:
                outer, last[place] = digit.split(length)
                row.append(outer)
        columns.append(tuple(last))
    return columns[::-1]


def _common(digits: Digits) -> Digit:
    """The digit that holds for all of these: still where one of them stands still, irregular where two move apart."""
    first = digits[0]
    if all(digit == first for digit in digits):
        return first
    moving = {(digit.axis, digit.stride) for digit in digits if digit.moves}
    axes = [axis for axis, _ in moving]
    one_stands_still = any(not digit.moves for digit in digits)
    if len(set(axes)) > 1 or IRREGULAR in axes or (len(moving) > 1 and not one_stands_still):
        return Digit(length=first.length, axis=IRREGULAR)
    still = (digit.axis for digit in digits if digit.axis is not None)
    return Digit(length=first.length, axis=axes[0] if axes else next(still))
