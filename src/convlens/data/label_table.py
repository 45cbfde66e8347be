"""A table of labels: a CSV file with a row for each image, its file, its label or labels, perhaps its side."""

import csv
import dataclasses
import io
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from convlens.core.errors import DataError, UsageError, unknown_name
from convlens.core.kinds.columns import CLASS_COLUMNS, Cell
from convlens.core.kinds.kind import Kind, Labels
from convlens.core.kinds.registry import KINDS, kind_of
from convlens.core.settings import setting
from convlens.core.task import TaskName
from convlens.data.manifest import Side
from convlens.data.side_names import SIDE_NAMES

_FILE_COLUMNS = ("file", "filename", "path", "image", "picture")
_LABEL_COLUMNS = (*CLASS_COLUMNS, "labels", "tags")
_SIDE_COLUMNS = ("side", "split", "subset")
_MOST_TABLE_BYTES = 512 * 2**20

Row = Mapping[str, str]


@dataclasses.dataclass(frozen=True, kw_only=True)
class LabelTable:
    """A CSV file of labels: its rows by file, and what they say of each."""

    path: Path
    rows: dict[str, Row]
    labels: dict[str, Labels]
    """The labels of each file."""
    kind: Kind
    names: tuple[str, ...]
    """Of the classes, of the labels, or of the columns of numbers."""
    sides: dict[str, Side | None]
    """The side of each file; None where the table says none."""
    conflicts: dict[str, Labels]
    """Files that stand there twice with different labels, and the other ones."""
    notices: tuple[str, ...] = ()
    """What was guessed, with settings marked."""


def read_labels(
    path: Path,
    folder: Path,
    *,
    task: TaskName | None = None,
    label_columns: Sequence[str] = (),
    usual_columns: Sequence[str] = (),
    group_column: str = "",
    file_column: str = "",
    predefined_split: bool = True,
) -> LabelTable:
    """The table of a CSV file with a header, of images below `folder`; between cells are commas, semicolons or tabs.

    Files are named from the folder on or by their whole paths, with slashes, or with backslashes where such a file is
    there. What is learned stands in `label_columns`; by default in `usual_columns` where all of them are there, or in
    the column called label, class, category, labels or tags, or else in all columns but those of file, side and group.
    `task` says what they hold; by default `kind_of` does.

    Raises UsageError where there is no such file or column, DataError where it is no such table.
    """
    text = _text(path)
    table = csv.DictReader(io.StringIO(text, newline=""), delimiter=_delimiter(text))
    columns = {name.strip().lower(): name for name in table.fieldnames or () if name}
    file_column = _column(columns, _FILE_COLUMNS, path)
    side_column = next(
        (columns[name] for name in _SIDE_COLUMNS if name in columns and columns[name] != group_column), None
    )
    others = [name for name in columns.values() if name not in (file_column, side_column, group_column)]
    learned = _chosen(columns, label_columns, usual_columns, others, path)
    rows = _rows(table, path)
    if not rows:
        raise DataError(f"{path} has a header and no rows. Write a line for each image.")
    bases = (folder.absolute(), folder.resolve())
    files = [_file(row, file_column, line, path, bases) for line, row in rows]
    empty_allowed = task is not None and KINDS[task].may_be_empty and len(learned) == 1
    if not empty_allowed:
        _refuse_empty(rows, learned, path, task)
    cells = {name: [Cell(line, (row[name] or "").strip()) for line, row in rows] for name in learned}
    try:
        kind = kind_of(cells, task)
        found, names = kind.read(cells, asked=task is not None)
    except DataError as error:
        raise DataError(f"{path}, {error.marked}") from None
    labels: dict[str, Labels] = {}
    conflicts: dict[str, Labels] = {}
    for file, of_file in zip(files, found, strict=True):
        if labels.setdefault(file, of_file) != of_file:
            conflicts[file] = of_file
    sides = [_side(row, side_column, line, path) if side_column else None for line, row in rows]
    first = {file: place for place, file in reversed(list(enumerate(files)))}
    return LabelTable(
        path=path,
        rows={file: rows[place][1] for file, place in first.items()},
        labels=labels,
        kind=kind,
        names=names,
        sides={file: sides[place] for file, place in first.items()},
        conflicts=conflicts,
    )


def _chosen(
    columns: Mapping[str, str], asked: Sequence[str], usual: Sequence[str], others: Sequence[str], path: Path
) -> list[str]:
    """The columns that are learned."""
    for name in asked:
        if name not in others:
            raise unknown_name(f"column of {path}", name, others)
    if asked:
        return list(asked)
    stripped = {name.strip(): name for name in others}
    if usual and all(name in stripped for name in usual):
        return [stripped[name] for name in usual]
    if called := next((columns[name] for name in _LABEL_COLUMNS if columns.get(name) in others), None):
        return [called]
    if not others:
        raise DataError(
            f"{path} has no column {' or '.join(_LABEL_COLUMNS)}, nor any other to be learned. Its header is: "
            f"{', '.join(columns)}."
        )
    return list(others)


def _rows(table: "csv.DictReader[str]", path: Path) -> list[tuple[int, Row]]:
    """Each row with the number of its line."""
    try:
        return [(table.line_num, row) for row in table]
    except csv.Error as error:
        raise DataError(f"{path}, line {table.line_num}: {error}. Save it as CSV in UTF-8.") from error


def _file(row: Row, column: str, line: int, path: Path, bases: tuple[Path, Path]) -> str:
    """The path as the manifest writes it: from the folder on, with forward slashes, no "./" at the start."""
    text = (row[column] or "").strip()
    if not text:
        raise _lacking(line, path, column)
    file = Path(_with_slashes(text, bases[0]))
    if file.is_absolute() and (base := next((base for base in bases if file.is_relative_to(base)), None)):
        file = file.relative_to(base)
    if file.is_absolute() or ".." in file.parts or not file.parts:
        raise DataError(
            f"{path}, line {line}: {text!r} in the column {column!r} is outside {bases[0]}. Name files below that "
            "folder, such as cats/1.jpg, or give the folder that holds them all."
        )
    return file.as_posix()


def _with_slashes(text: str, folder: Path) -> str:
    """A path as Windows writes it, where that is a file here; elsewhere a backslash is a letter like others."""
    slashed = text.replace("\\", "/")
    if slashed == text or _exists(folder / text) or not _exists(folder / slashed):
        return text
    return slashed


def _exists(path: Path) -> bool:
    return os.path.exists(path)  # noqa: PTH110  (Path.exists raises where a name is too long)


def _side(row: Row, column: str, line: int, path: Path) -> Side | None:
    """The side that a cell names. One that is not understood is never taken for none: it may mean held-out images."""
    text = (row[column] or "").strip()
    if text and text.lower() not in SIDE_NAMES:
        raise DataError(
            f"{path}, line {line}: {text!r} in the column {column!r} is not a side. Accepted are "
            f"{', '.join(SIDE_NAMES)}, or an empty cell; if the column is not about sides, give it another name."
        )
    return SIDE_NAMES[text.lower()] if text else None


def _refuse_empty(rows: Sequence[tuple[int, Row]], learned: Sequence[str], path: Path, task: TaskName | None) -> None:
    """An empty cell may be a label that was forgotten as well as an image without any: only `task` can tell."""
    none = f"; or, if images may have no label, set {setting('task', 'multilabel')}"
    for line, row in rows:
        for name in learned:
            if not (row[name] or "").strip():
                raise _lacking(line, path, name, none if task is None and len(learned) == 1 else "")


def _lacking(line: int, path: Path, column: str, otherwise: str = "") -> DataError:
    return DataError(
        f"{path}, line {line}: a file or a label is missing in the column {column!r}. Fill in a file below the folder "
        f"and its label, or remove the line{otherwise}."
    )


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > _MOST_TABLE_BYTES:
            raise DataError(f"{path} has over {_MOST_TABLE_BYTES // 2**20} MiB. Give a table of labels, CSV in UTF-8.")
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise DataError(f"{path} is not text in UTF-8. Save the table as CSV in UTF-8.") from None
    except OSError as error:
        raise UsageError(
            f"cannot read {setting('labels', path)}: {error.strerror}. Give a CSV file with a header."
        ) from error


def _delimiter(text: str) -> str:
    """What stands most often in the header, of the three that programs write."""
    header = text.partition("\n")[0]
    return max(",;\t", key=header.count)


def _column(columns: Mapping[str, str], accepted: Sequence[str], path: Path) -> str:
    for name in accepted:
        if name in columns:
            return columns[name]
    raise DataError(f"{path} has no column {' or '.join(accepted)}. Its header is: {', '.join(columns) or 'empty'}.")
