"""Columns of a table of labels, and what their cells can be read as."""

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from convlens.core.errors import DataError
from convlens.core.settings import setting

CLASS_COLUMNS = ("label", "class", "category")
_CLASS_NAMES = {
    *CLASS_COLUMNS,
    *("classname", "classid", "labelname", "labelid", "categoryname", "categoryid", "categoryid", "diagnosis"),
}
"""Of columns whose whole numbers are classes, in small letters without spaces and underscores."""
_MISSING = {"", "nan", "na", "n/a", "#n/a", "<na>", "none", "null"}
_TRUTHS = {
    **dict.fromkeys(("0", "0.0", "false", "f", "no", "n"), False),
    **dict.fromkeys(("1", "1.0", "true", "t", "yes", "y"), True),
}
_MARKS = {"x", "\N{CHECK MARK}", "\N{HEAVY CHECK MARK}", "+", "*", *(text for text, yes in _TRUTHS.items() if yes)}
"""What stands in a cell that says yes where an empty one says no."""
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?|[+-]?(nan|inf|infinity)", re.IGNORECASE | re.ASCII)
_DECIMAL_COMMA = re.compile(r"[+-]?\d+,\d+", re.ASCII)
_THOUSANDS = re.compile(r"[+-]?\d{1,3}([,.' \u00a0\u202f]\d{3})+([.,]\d+)?", re.ASCII)
_UNITS = (
    "mm|cm|dm|m|km|in|inch|inches|ft|px|pixels?|mg|g|kg|lbs?|t|ml|l|ms|s|sec|min|h|hours?|days?|weeks?|months?|years?"
    "|yrs?|y|°|°c|°f|c|f|k|hz|v|w|mpa|pa"
)
_WITH_SIGN = re.compile(
    rf"(?P<before>[$€£¥])?\s*(?P<number>[+-]?\d[\d.,' \u00a0\u202f]*?)\s*(?P<after>%|‰|[$€£¥]|usd|eur|{_UNITS})?",
    re.IGNORECASE | re.ASCII,
)
_BETWEEN_LABELS = re.compile(r"[|;]")
_LIST = re.compile(r"\[.*\]|\(.*,.*\)|\{.*\}", re.DOTALL)
_QUOTED = re.compile(r"'([^']*)'|\"([^\"]*)\"")


class Cell(NamedTuple):
    """A cell of the table, and the line where it stands."""

    line: int
    text: str


Columns = Mapping[str, Sequence[Cell]]
"""The columns that are learned, by name; all have the same rows."""


def plain_name(name: str) -> str:
    """The name of a column in small letters, without spaces, underscores and the like: "Image Name" -> "imagename"."""
    return "".join(letter for letter in name.lower() if letter.isalnum())


def is_class_column(name: str) -> bool:
    """Whether a column is called as one of classes is."""
    return plain_name(name) in _CLASS_NAMES


def is_missing(text: str) -> bool:
    """Whether a cell is empty, or holds what programs write for nothing: nan, NA, None, null."""
    return text.lower() in _MISSING


def holds_lists(cells: Sequence[Cell]) -> bool:
    """Whether | or ; stands between words, or all cells are lists in brackets."""
    filled = [cell for cell in cells if cell.text]
    in_brackets = bool(filled) and all(_LIST.fullmatch(cell.text) for cell in filled)
    return in_brackets or any(_BETWEEN_LABELS.search(cell.text) for cell in cells)


class WordLists(NamedTuple):
    """The words of each cell, each once, in the order of the alphabet, and what stands between them."""

    words: list[tuple[str, ...]]
    separator: str
    """|, "," or " "; "" for lists in brackets."""


def word_lists(cells: Sequence[Cell]) -> WordLists:
    """The words between | or ; or in brackets; else those between commas; else between spaces, where words recur."""
    filled = [cell.text for cell in cells if cell.text]
    if filled and all(_LIST.fullmatch(text) for text in filled):
        return WordLists([_once(_listed(cell.text)) for cell in cells], "")
    if any(_BETWEEN_LABELS.search(text) for text in filled):
        return WordLists([_once(_BETWEEN_LABELS.split(cell.text)) for cell in cells], "|")
    if any("," in text for text in filled):
        return WordLists([_once(cell.text.split(",")) for cell in cells], ",")
    by_spaces = [_once(cell.text.split()) for cell in cells]
    if any(len(words) > 1 for words in by_spaces) and _recur(by_spaces, filled):
        return WordLists(by_spaces, " ")
    return WordLists([_once([cell.text]) for cell in cells], "|")


def _listed(text: str) -> Sequence[str]:
    """The words of "['a', 'b']", of "[a, b]", and of "['a' 'b']" as NumPy writes it."""
    inside = text[1:-1].strip()
    quoted = [one or other for one, other in _QUOTED.findall(inside)]
    return quoted or inside.split(",")


def _once(parts: Sequence[str]) -> tuple[str, ...]:
    return tuple(sorted({word for part in parts if (word := part.strip())}))


def _recur(by_spaces: Sequence[Sequence[str]], cells: Sequence[str]) -> bool:
    """Whether parts of cells stand in others, so that they are labels and no names of two words."""
    numbers = Counter(word for words in {*map(tuple, by_spaces)} for word in words)
    return len(numbers) <= len({*cells}) and max(numbers.values(), default=0) > 1


def has_numbers(cells: Sequence[Cell]) -> bool:
    """Whether a cell is a number."""
    return any(_NUMBER.fullmatch(cell.text) for cell in cells)


def all_truths(columns: Columns) -> bool:
    """Whether every cell is 0 or 1, true or false, yes or no; or, in several columns, a mark or empty."""
    cells = [cell.text.lower() for cells in columns.values() for cell in cells]
    return all(text in _TRUTHS for text in cells) or are_marks(columns)


def are_marks(columns: Columns) -> bool:
    """Whether the cells of several columns are x or the like, and empty where an image has not the label."""
    cells = {cell.text.lower() for cells in columns.values() for cell in cells}
    return len(columns) > 1 and "" in cells and cells <= {"", *_MARKS} and cells != {""}


def truth_in(name: str, cell: Cell, *, marked: bool = False) -> bool:
    """Whether a cell of the column says yes; where cells are `marked` an empty one says no.

    Raises DataError for another one than 0 and 1, true and false, yes and no.
    """
    text = cell.text.lower()
    if marked and text in {"", *_MARKS}:
        return bool(text)
    if text not in _TRUTHS:
        raise DataError(
            f"line {cell.line}: {cell.text!r} in the column {name!r} is neither 0 nor 1. Where there are several "
            "columns of labels, each is 1 for images that have the label and 0 for others."
        )
    return _TRUTHS[text]


def numbers_in(name: str, cells: Sequence[Cell], *, asked: bool) -> list[float]:
    """The numbers of a column. Raises DataError for a cell that is none, with advice where nobody asked for numbers."""
    refuse_decimal_commas(name, cells, asked=asked)
    return [_number(name, cell, asked=asked) for cell in cells]


def refuse_decimal_commas(name: str, cells: Sequence[Cell], *, asked: bool) -> None:
    """Raises DataError for "3,5": read as a word it would be a class."""
    for cell in cells:
        if _DECIMAL_COMMA.fullmatch(cell.text) and not _THOUSANDS.fullmatch(cell.text):
            raise DataError(
                f"line {cell.line}: {cell.text!r} in the column {name!r} has a decimal comma. Write numbers with a "
                f"point{_or_classes(asked)}."
            )


def all_with_signs(cells: Sequence[Cell]) -> bool:
    """Whether all cells are numbers with a percent sign, a unit or thousands separators: "50%", "1,250", "30 cm"."""
    return bool(cells) and all(_sign_in(cell.text) for cell in cells)


def refuse_signs(name: str, cells: Sequence[Cell], *, asked: bool) -> None:
    """Raises DataError for numbers with a percent sign, a unit or thousands separators."""
    for cell in cells:
        if sign := _sign_in(cell.text):
            raise DataError(
                f"line {cell.line}: {cell.text!r} in the column {name!r} is a number with {sign}. Write numbers alone, "
                f"as 1250 or 0.5, and units into the name of the column{_or_classes(asked)}."
            )


def _sign_in(text: str) -> str:
    """What stands at a number that is not of it; "" for plain numbers and for words."""
    found = _WITH_SIGN.fullmatch(text)
    if found is None or _NUMBER.fullmatch(text):
        return ""
    if sign := found["before"] or found["after"]:
        return "a percent sign" if sign == "%" else f"the unit {sign!r}"
    return "thousands separators" if _THOUSANDS.fullmatch(text) else ""


def _number(name: str, cell: Cell, *, asked: bool) -> float:
    refuse_signs(name, [cell], asked=asked)
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
