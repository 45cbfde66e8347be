"""Columns of a table of labels, and what their cells can be read as."""

import math
import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from convlens.core.errors import DataError
from convlens.core.settings import setting

CLASS_COLUMNS = ("label", "class", "category")
_TRUTHS = {"0": False, "1": True, "false": False, "true": True}
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?|[+-]?(nan|inf|infinity)", re.IGNORECASE | re.ASCII)
_DECIMAL_COMMA = re.compile(r"[+-]?\d+,\d+", re.ASCII)
_BETWEEN_LABELS = re.compile(r"[|;]")


class Cell(NamedTuple):
    """A cell of the table, and the line where it stands."""

    line: int
    text: str


Columns = Mapping[str, Sequence[Cell]]
"""The columns that are learned, by name; all have the same rows."""


def is_class_column(name: str) -> bool:
    """Whether a column is called as one of classes is."""
    return name.strip().lower() in CLASS_COLUMNS


def holds_lists(cells: Sequence[Cell]) -> bool:
    """Whether | or ; stands between words."""
    return any(_BETWEEN_LABELS.search(cell.text) for cell in cells)


def words_in(cell: Cell) -> tuple[str, ...]:
    """The words between | or ;, each once, in the order of the alphabet."""
    return tuple(sorted({word for part in _BETWEEN_LABELS.split(cell.text) if (word := part.strip())}))


def has_numbers(cells: Sequence[Cell]) -> bool:
    """Whether a cell is a number."""
    return any(_NUMBER.fullmatch(cell.text) for cell in cells)


def all_truths(columns: Columns) -> bool:
    """Whether every cell is 0 or 1, or true or false."""
    return all(cell.text.lower() in _TRUTHS for cells in columns.values() for cell in cells)


def truth_in(name: str, cell: Cell) -> bool:
    """Whether a cell of the column says yes. Raises DataError for another one than 0 and 1."""
    if cell.text.lower() not in _TRUTHS:
        raise DataError(
            f"line {cell.line}: {cell.text!r} in the column {name!r} is neither 0 nor 1. Where there are several "
            "columns of labels, each is 1 for images that have the label and 0 for others."
        )
    return _TRUTHS[cell.text.lower()]


def numbers_in(name: str, cells: Sequence[Cell], *, asked: bool) -> list[float]:
    """The numbers of a column. Raises DataError for a cell that is none, with advice where nobody asked for numbers."""
    refuse_decimal_commas(name, cells, asked=asked)
    return [_number(name, cell, asked=asked) for cell in cells]


def refuse_decimal_commas(name: str, cells: Sequence[Cell], *, asked: bool) -> None:
    """Raises DataError for "3,5": read as a word it would be a class."""
    for cell in cells:
        if _DECIMAL_COMMA.fullmatch(cell.text):
            raise DataError(
                f"line {cell.line}: {cell.text!r} in the column {name!r} has a decimal comma. Write numbers with a "
                f"point{_or_classes(asked)}."
            )


def _number(name: str, cell: Cell, *, asked: bool) -> float:
    if not _NUMBER.fullmatch(cell.text):
        raise DataError(
            f"line {cell.line}: {cell.text!r} in the column {name!r} is not a number, but others there are. Correct "
            f"it{_or_classes(asked)}; or choose columns with {setting('label_columns')}."
        )
    number = float(cell.text)
    if not math.isfinite(number):
        raise DataError(
            f"line {cell.line}: {cell.text!r} in the column {name!r} is not a finite number. Correct it, or remove the "
            "line."
        )
    return number


def _or_classes(asked: bool) -> str:
    classes = setting("task", "classification")
    return "" if asked else f"; or, if they are the names of classes, set {classes}"
