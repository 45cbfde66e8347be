"""A table of labels: a row for each image, with its file, its label or labels, perhaps its side."""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import TypeVar

from convlens.core.errors import DataError
from convlens.core.kinds.columns import Cell, are_marks, has_numbers, is_class_column, is_missing
from convlens.core.kinds.kind import Kind, Labels
from convlens.core.kinds.registry import KINDS, kind_of
from convlens.core.settings import setting
from convlens.core.task import TaskName
from convlens.data.file_index import FileIndex, FoundFile
from convlens.data.manifest import Side
from convlens.data.side_names import side_name
from convlens.data.table_columns import Asked, columns_of
from convlens.data.table_file import Row, TableRows, read_table

T = TypeVar("T")
_NAMED = 3
_OPEN = Asked()


@dataclasses.dataclass(frozen=True, kw_only=True)
class LabelTable:
    """A table of labels: its rows by file, and what they say of each."""

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
    missing: dict[str, str]
    """Files as they stand in the table that are not in the folder, and what is known of each."""
    notices: tuple[str, ...]
    """What was guessed, and how to say otherwise; settings are marked."""


def read_labels(path: Path, folder: Path, *, task: TaskName | None = None, asked: Asked = _OPEN) -> LabelTable:
    """The table in a file, of images below `folder`; `read_table` says in which forms.

    Files are found by their paths from the folder on, else by the only file that fits what the table says (see
    `FileIndex.find`). What is learned stands in the columns that are asked for; by default in those usual where all of
    them are there, or in the column called label, class, category, labels, tags and so on, or else in all columns but
    those of file, side and group. `task` says what they hold; by default `kind_of` does.

    Raises UsageError where there is no such file or column, DataError where it is no such table.
    """
    table = read_table(path)
    index = FileIndex(folder)
    columns = columns_of(table, asked, index, path)
    if not table.rows:
        raise DataError(f"{path} has a header and no rows. Write a line for each image.")
    files = _Files(table, columns.file, index, path, folder)
    cells = {name: [Cell(line, row[name]) for line, row in table.rows] for name in columns.learned}
    cells, of_missing = _without_missing(cells, path, task)
    try:
        kind = kind_of(cells, task)
        found, names = kind.read(cells, asked=task is not None)
    except DataError as error:
        raise DataError(f"{path}, {error.marked}") from None
    by_folder = _sides_of_folders(files.names) if asked.predefined_split and not columns.sides.names else {}
    labels = _first_of_each(files.names, found)
    rows = _first_of_each(files.names, [row for _, row in table.rows])
    conflicts = {file: other for file, other in zip(files.names, found, strict=True) if other != labels[file]}
    return LabelTable(
        path=path,
        rows=rows,
        labels=labels,
        kind=kind,
        names=names,
        sides={file: by_folder.get(file) or columns.sides.side_of(row) for file, row in rows.items()},
        conflicts=conflicts,
        missing=files.missing,
        notices=(
            *columns.notices,
            *files.notices,
            *_said_of_folders(by_folder),
            *of_missing,
            *kind.questions(cells, found, asked=task is not None),
        ),
    )


def _first_of_each(files: Sequence[str], values: Sequence[T]) -> dict[str, T]:
    """The value that stands first for each file."""
    found: dict[str, T] = {}
    for file, value in zip(files, values, strict=True):
        found.setdefault(file, value)
    return found


class _Files:
    """The files of a table's rows. Raises DataError for a cell that is empty, and where no row has a file."""

    def __init__(self, table: TableRows, column: str, index: FileIndex, path: Path, folder: Path) -> None:
        self.names: list[str] = []
        """As the manifest writes them: from the folder on, with forward slashes, no "./" at the start."""
        self.missing: dict[str, str] = {}
        otherwise: list[tuple[str, str]] = []
        absent: list[tuple[int, str, FoundFile]] = []
        for line, row in table.rows:
            text = row[column]
            if not text:
                raise DataError(f"{path}, {_lacking(Cell(line, text), column, 0)}.")
            found = index.find(text)
            if found.file is None and index.leads_out(text):
                raise DataError(
                    f"{path}, line {line}: {text!r} in the column {column!r} is outside {folder}. Name files below "
                    "that folder, such as cats/1.jpg, or give the folder that holds them all."
                )
            if found.file is None:
                absent.append((line, text, found))
            elif not found.as_written:
                otherwise.append((text, found.file))
            self.names.append(found.file or text)
        if len(absent) == len(table.rows):
            raise DataError(_none_there(absent, column, index, path, folder))
        for number, (_, text, found) in enumerate(absent):
            self.missing[text] = _absence(text, found, index if number < _NAMED else None)
        self.notices = tuple(_told(otherwise, len(table.rows)))


def _sides_of_folders(files: Sequence[str]) -> dict[str, Side]:
    """The sides of files that all lie in folders of sides, train/ and others, at one depth; else none."""
    folders = [PurePosixPath(file).parts[:-1] for file in files]
    for depth in range(min(map(len, folders), default=0)):
        named = [side_name(parts[depth]) for parts in folders]
        sides = {file: name.side for file, name in zip(files, named, strict=True) if name and name.plain}
        if len(sides) == len({*files}) and "train" in sides.values() and len({*sides.values()}) > 1:
            return sides
    return {}


def _said_of_folders(sides: Mapping[str, Side]) -> Iterator[str]:
    if sides:
        yield (
            f"the split is that of the folders in which the files lie; to split anew, set "
            f"{setting('predefined_split', False)}"
        )


def _told(otherwise: Sequence[tuple[str, str]], rows: int) -> Iterator[str]:
    if otherwise:
        text, file = otherwise[0]
        yield (
            f"rows that name no file exactly: {len(otherwise)} of {rows}; the only one that fits is taken, such as "
            f"{file!r} for {text!r}. If that is wrong, write the paths below the folder"
        )


def _absence(text: str, found: FoundFile, index: FileIndex | None) -> str:
    """What is known of a file that is not there; the nearest name where an index is given to look in."""
    if found.several:
        return f"several files fit: {', '.join(found.several[:_NAMED])}"
    near = index.nearest(text) if index else None
    return "no such file" + (f"; the nearest name is {near}" if near else "")


def _none_there(
    absent: Sequence[tuple[int, str, FoundFile]], column: str, index: FileIndex, path: Path, folder: Path
) -> str:
    told = "; ".join(f"{text!r} (line {line}): {_absence(text, one, index)}" for line, text, one in absent[:_NAMED])
    return (
        f"{path}: none of the {len(absent)} files in the column {column!r} is found below {folder}. {told}. Give the "
        f"folder that holds the images, or name the column of the files with {setting('file_column')}."
    )


def _without_missing(
    cells: Mapping[str, list[Cell]], path: Path, task: TaskName | None
) -> tuple[dict[str, list[Cell]], list[str]]:
    """The cells, with empty ones for missing labels where images may have none, and what is said of that.

    An empty cell may be a label that was forgotten as well as an image without any: only `task` can tell. Raises
    DataError for missing labels elsewhere.
    """
    missing = [(name, cell) for name, of_name in cells.items() for cell in of_name if is_missing(cell.text)]
    if not missing or are_marks(cells):
        return dict(cells), []
    words = sorted({cell.text for _, cell in missing if cell.text})
    if task == "classification" and all(cell.text for _, cell in missing):
        named = ", ".join(map(repr, words))
        return dict(cells), [f"{named} in the column {missing[0][0]!r} is taken as the name of a class"]
    if task is not None and KINDS[task].may_be_empty and len(cells) == 1:
        empty = {
            name: [cell._replace(text="") if is_missing(cell.text) else cell for cell in of]
            for name, of in cells.items()
        }
        said = [f"{', '.join(map(repr, words))} is taken for an image without any label"] if words else []
        return empty, said
    name, cell = min(missing, key=lambda one: one[1].line)
    otherwise = ""
    of_numbers = has_numbers(cells[name]) and not is_class_column(name)
    if task is None and len(cells) == 1 and not of_numbers:
        if all(cell.text for _, cell in missing):
            otherwise = f"; or, if {cell.text!r} is the name of a class, set {setting('task', 'classification')}"
        otherwise += f"; or, if images may have no label, set {setting('task', 'multilabel')}"
    raise DataError(f"{path}, {_lacking(cell, name, len(missing) - 1)}{otherwise}.")


def _lacking(cell: Cell, column: str, others: int) -> str:
    holds = f", which holds {cell.text!r}" if cell.text else ""
    more = f" ({others} more below)" if others else ""
    return (
        f"line {cell.line}: a file or a label is missing in the column {column!r}{holds}{more}. Fill in a file below "
        "the folder and its label, or remove the line"
    )
