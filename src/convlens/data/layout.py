"""How a folder says which class a picture is of, and which pictures belong together."""

import csv
import dataclasses
import io
import re
from collections.abc import Callable, Mapping
from pathlib import Path, PurePosixPath

from convlens.core.errors import DataError, UsageError
from convlens.data.manifest import Manifest

_FILE_COLUMNS = ("file", "filename", "path", "image", "picture")
_LABEL_COLUMNS = ("label", "class", "category")
_SIDE_COLUMNS = ("side", "split", "subset")
_MOST_TABLE_BYTES = 512 * 2**20

Row = Mapping[str, str]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Layout:
    """Where classes and groups come from. By default a class is a folder, and every picture is its own group."""

    labels: str | Path | None = None
    """A CSV file with a row for each picture: its file below the folder, its label, perhaps its side and its group."""
    nested: bool = False
    """Every folder that holds pictures itself is a class, named by its path ("animals/cats")."""
    group_by: str = ""
    """A column of `labels`, or a regular expression of which the first group (or all that matches) is the group."""


BY_FOLDERS = Layout()


@dataclasses.dataclass(frozen=True, kw_only=True)
class LabelTable:
    """A CSV file of labels: its rows by file, and the columns that hold the label and the side."""

    rows: dict[str, Row]
    label_column: str
    side_column: str | None
    conflicts: dict[str, str]
    """Files that stand there twice with different labels, and the other label."""


def read_labels(path: Path) -> LabelTable:
    """The table of a CSV file with a header; the delimiter is a comma, a semicolon or a tab.

    Raises UsageError where there is no such file, DataError where it is no such table.
    """
    table = csv.DictReader(io.StringIO(_text(path), newline=""), delimiter=_delimiter(path))
    columns = {name.strip().lower(): name for name in table.fieldnames or () if name}
    file_column = _column(columns, _FILE_COLUMNS, path)
    label_column = _column(columns, _LABEL_COLUMNS, path)
    rows: dict[str, Row] = {}
    conflicts: dict[str, str] = {}
    try:
        for row in table:
            file, label = _plain(row[file_column]), (row[label_column] or "").strip()
            if not file or not label:
                raise DataError(f"{path}, line {table.line_num}: without a file or a label. Fill in both columns.")
            if file in rows and rows[file][label_column].strip() != label:
                conflicts[file] = label
            rows.setdefault(file, row)
    except csv.Error as error:
        raise DataError(f"{path}, line {table.line_num}: {error}. Save it as CSV in UTF-8.") from error
    side_column = next((columns[name] for name in _SIDE_COLUMNS if name in columns), None)
    return LabelTable(rows=rows, label_column=label_column, side_column=side_column, conflicts=conflicts)


def grouped(manifest: Manifest, layout: Layout, table: LabelTable | None) -> Manifest:
    """The manifest with the group of every picture. Raises UsageError where `group_by` finds no group at all."""
    if not layout.group_by:
        return manifest
    group_of = _group_of(layout.group_by, table)
    pictures = tuple(dataclasses.replace(one, group=group_of(one.file)) for one in manifest.pictures)
    if pictures and not any(one.group for one in pictures):
        raise UsageError(
            f"--group-by {layout.group_by!r} finds no group for any picture, such as {pictures[0].file!r}. Give a "
            "column of --labels, or a regular expression such as '(video[0-9]+)_'."
        )
    return dataclasses.replace(manifest, pictures=pictures)


def _group_of(group_by: str, table: LabelTable | None) -> Callable[[str], str]:
    if table is not None and table.rows and group_by in next(iter(table.rows.values())):
        rows = table.rows
        return lambda file: (rows[file][group_by] or "").strip() if file in rows else ""
    try:
        pattern = re.compile(group_by)
    except re.error as error:
        raise UsageError(
            f"--group-by {group_by!r} is no column of --labels and no regular expression: {error}."
        ) from None
    return lambda file: _matched(pattern, file)


def _matched(pattern: re.Pattern[str], file: str) -> str:
    found = pattern.search(file)
    if found is None:
        return ""
    return (found.group(1) or "") if pattern.groups else found.group(0)


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > _MOST_TABLE_BYTES:
            raise DataError(f"{path} has over {_MOST_TABLE_BYTES // 2**20} MiB. Give a table of labels, CSV in UTF-8.")
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise DataError(f"{path} is not text in UTF-8. Save the table as CSV in UTF-8.") from None
    except OSError as error:
        raise UsageError(f"cannot read --labels {path}: {error.strerror}. Give a CSV file with a header.") from error


def _delimiter(path: Path) -> str:
    """What stands most often in the header, of the three that programs write."""
    header = _text(path).partition("\n")[0]
    return max(",;\t", key=header.count)


def _column(columns: Mapping[str, str], accepted: tuple[str, ...], path: Path) -> str:
    for name in accepted:
        if name in columns:
            return columns[name]
    raise DataError(f"{path} has no column {' or '.join(accepted)}. Its header is: {', '.join(columns) or 'empty'}.")


def _plain(file: str | None) -> str:
    """The path as the manifest writes it: forward slashes, no "./" at the start; "" where it leads outside."""
    parts = PurePosixPath((file or "").strip()).parts
    return "" if ".." in parts or (parts and parts[0] == "/") else "/".join(parts)
