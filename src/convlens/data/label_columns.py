"""What the columns of a table of labels hold: a class, several labels, or numbers."""

import itertools
import math
import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from convlens.core.errors import DataError, UsageError
from convlens.core.target import SEPARATOR, TargetKind, joined

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


def kind_of(columns: Columns, asked: TargetKind | None) -> TargetKind:
    """What the columns hold, or what was asked for.

    Several columns hold labels where all their cells are 0 or 1 (or true or false), else numbers. One column holds
    labels where | or ; stands between words; a class where it holds words; and where it holds numbers: a class if it
    is called label, class or category and they are whole, a label if all are 0 or 1, else numbers.

    Raises DataError, with the line, for cells that are not like the others, UsageError where one class is asked for
    and there are several columns.
    """
    if asked == "class" and len(columns) > 1:
        raise UsageError(
            f"one class for each image takes one column, and there are {len(columns)}: {', '.join(columns)}. Say "
            "which with --label-columns."
        )
    if asked is not None:
        return asked
    if len(columns) > 1:
        return "labels" if _all_truths(columns) else "numbers"
    ((name, cells),) = columns.items()
    if any(_BETWEEN_LABELS.search(cell.text) for cell in cells):
        return "labels"
    if not any(_NUMBER.fullmatch(cell.text) for cell in cells):
        _refuse_decimal_commas(name, cells, asked)
        return "class"
    numbers = _numbers(name, cells, asked)
    if name.strip().lower() in CLASS_COLUMNS and all(number.is_integer() for number in numbers):
        return "class"
    return "labels" if _all_truths(columns) else "numbers"


def labels_of(kind: TargetKind, columns: Columns, asked: TargetKind | None) -> tuple[list[str], tuple[str, ...]]:
    """The label of each row as one text, and the names: of the classes, of the labels, or of the columns of numbers.

    `asked` is the kind that was asked for, if any: who did not may not have meant it.

    Raises DataError, with the line, for a cell that is none of that kind.
    """
    first_name, first = next(iter(columns.items()))
    if kind == "numbers":
        rows = zip(*(_numbers(name, cells, asked) for name, cells in columns.items()), strict=True)
        return [joined(map(repr, row)) for row in rows], tuple(columns)
    if kind == "class":
        texts = [cell.text for cell in first]
        return texts, tuple(sorted(set(texts)))
    if len(columns) > 1 or (_all_truths(columns) and first_name.strip().lower() not in CLASS_COLUMNS):
        return _labels_of_truths(columns)
    found = [sorted({word for part in _BETWEEN_LABELS.split(cell.text) if (word := part.strip())}) for cell in first]
    return [joined(words) for words in found], tuple(sorted({word for words in found for word in words}))


def _labels_of_truths(columns: Columns) -> tuple[list[str], tuple[str, ...]]:
    """A column of 0 and 1 for each label."""
    names = [name.strip() for name in columns]
    if wrong := [name for name in names if SEPARATOR in name]:
        raise DataError(f"the column {wrong[0]!r} is the name of a label, which may not hold {SEPARATOR!r}. Rename it.")
    truths = ([_truth(name, cell) for cell in cells] for name, cells in columns.items())
    rows = zip(*truths, strict=True)
    return [joined(sorted(itertools.compress(names, row))) for row in rows], tuple(sorted(names))


def _all_truths(columns: Columns) -> bool:
    return all(cell.text.lower() in _TRUTHS for cells in columns.values() for cell in cells)


def _truth(name: str, cell: Cell) -> bool:
    if cell.text.lower() not in _TRUTHS:
        raise DataError(
            f"line {cell.line}: {cell.text!r} in the column {name!r} is neither 0 nor 1. Where there are several "
            "columns of labels, each is 1 for images that have the label and 0 for others."
        )
    return _TRUTHS[cell.text.lower()]


def _numbers(name: str, cells: Sequence[Cell], asked: TargetKind | None) -> list[float]:
    _refuse_decimal_commas(name, cells, asked)
    return [_number(name, cell, asked) for cell in cells]


def _number(name: str, cell: Cell, asked: TargetKind | None) -> float:
    if not _NUMBER.fullmatch(cell.text):
        raise DataError(
            f"line {cell.line}: {cell.text!r} in the column {name!r} is no number, and others there are. Correct it"
            f"{_or_classes(asked)}; or choose columns with --label-columns."
        )
    number = float(cell.text)
    if not math.isfinite(number):
        raise DataError(
            f"line {cell.line}: {cell.text!r} in the column {name!r} is no finite number. Correct it, or take the line "
            "out."
        )
    return number


def _refuse_decimal_commas(name: str, cells: Sequence[Cell], asked: TargetKind | None) -> None:
    for cell in cells:
        if _DECIMAL_COMMA.fullmatch(cell.text):
            raise DataError(
                f"line {cell.line}: {cell.text!r} in the column {name!r} has a decimal comma. Write numbers with a "
                f"point{_or_classes(asked)}."
            )


def _or_classes(asked: TargetKind | None) -> str:
    return "" if asked else "; or, if they are the names of classes, say --learn class"
