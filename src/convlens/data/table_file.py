"""Table file: the rows of a table as programs write it, CSV, TSV, JSON, Excel or Parquet, each row with its line."""

import csv
import gzip
import importlib
import io
import json
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from convlens.core.errors import DataError, MachineError, UsageError
from convlens.core.settings import setting

_MOST_BYTES = 512 * 2**20
_DAMAGES = (ValueError, KeyError, TypeError, OSError, zipfile.BadZipFile)
"""What the libraries raise for files that are not whole."""
_UNSEEN = "\ufeff\u200b\u200e\u200f"
_EXCEL, _OLD_EXCEL, _PARQUET, _GZIP, _ZIP = b"xl/", b"\xd0\xcf\x11\xe0", b"PAR1", b"\x1f\x8b", b"PK\x03\x04"

Row = Mapping[str, str]


class TableRows(NamedTuple):
    """The columns of a table, and its rows with the line of each."""

    columns: tuple[str, ...]
    rows: Sequence[tuple[int, Row]]


def read_table(path: Path) -> TableRows:
    """The rows of a table in UTF-8 or UTF-16: CSV, also with tabs, semicolons or bars; JSON lines; gz or zip of such.

    Comment lines (#), a first line `sep=;`, and rows without any cell are passed over. Excel and Parquet need the
    extra `tables`. Raises UsageError where there is no such file, DataError where it is no table, with the line,
    MachineError where the library for it is missing.
    """
    content = _content(path)
    if content.startswith(_PARQUET):
        return _from_parquet(content, path)
    if content.startswith(_ZIP):
        return _from_excel(content, path)
    if content.startswith(_OLD_EXCEL):
        raise DataError(f"{path} is an Excel file of the old form (.xls). Save it as CSV in UTF-8, or as .xlsx.")
    text = _text(content, path)
    return _from_json(text, path) if text.lstrip()[:1] in ("{", "[") else _from_csv(text, path)


def clean(text: str) -> str:
    """A cell without spaces and invisible characters around it."""
    return text.strip().strip(_UNSEEN).strip()


def _content(path: Path) -> bytes:
    try:
        if path.is_dir():
            raise UsageError(f"{setting('labels', path)} is a folder. Give a table: a CSV file with a header.")
        if path.stat().st_size > _MOST_BYTES:
            raise DataError(f"{path} has over {_MOST_BYTES // 2**20} MiB. Give a table of labels, CSV in UTF-8.")
        return _unpacked(path.read_bytes(), path)
    except OSError as error:
        raise UsageError(
            f"cannot read {setting('labels', path)}: {error.strerror}. Give a CSV file with a header."
        ) from error


def _unpacked(content: bytes, path: Path) -> bytes:
    """What is in a gz file, or in a zip file of one table."""
    try:
        if content.startswith(_GZIP):
            with gzip.open(io.BytesIO(content)) as file:
                unpacked = file.read(_MOST_BYTES + 1)
        elif content.startswith(_ZIP):
            with zipfile.ZipFile(io.BytesIO(content)) as archive:
                names = [name for name in archive.namelist() if not name.startswith("__MACOSX")]
                if any(name.startswith(_EXCEL.decode()) for name in names):
                    return content
                if len(names) != 1:
                    raise DataError(f"{path} is a zip file of {len(names)} files. Give the table of labels alone.")
                with archive.open(names[0]) as file:
                    unpacked = file.read(_MOST_BYTES + 1)
        else:
            return content
    except (gzip.BadGzipFile, zipfile.BadZipFile, EOFError, zlib.error, RuntimeError, NotImplementedError) as error:
        raise DataError(f"{path} cannot be unpacked: {error}. Give the table as CSV in UTF-8.") from error
    if len(unpacked) > _MOST_BYTES:
        raise DataError(f"{path} unpacks to over {_MOST_BYTES // 2**20} MiB. Give a table of labels, CSV in UTF-8.")
    return unpacked


def _text(content: bytes, path: Path) -> str:
    wide = content.startswith((b"\xff\xfe", b"\xfe\xff"))
    try:
        text = content.decode("utf-16" if wide else "utf-8-sig")
    except UnicodeDecodeError:
        raise DataError(f"{path} is not text in UTF-8. Save the table as CSV in UTF-8.") from None
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise DataError(
            f"{path}, line {line}: holds a NUL byte, which no text does: the file is damaged, or is no table. Save it "
            "again as CSV in UTF-8."
        )
    if text.lstrip()[:9].lower().startswith(("<!doctype", "<html")):
        raise DataError(f"{path} is an HTML page, such as a server sends for an error. Download the table again.")
    if text.startswith("version https://git-lfs"):
        raise DataError(f"{path} is a pointer of Git LFS, not the table. Fetch it with `git lfs pull`.")
    return text


def _from_csv(text: str, path: Path) -> TableRows:
    skipped, delimiter = 0, ""
    lines = text.splitlines(keepends=True)
    for line in lines:
        if line.lower().startswith("sep=") and len(line.strip()) == 5:
            delimiter = line[4]
        elif line.strip() and not line.startswith("#"):
            break
        skipped += 1
    header = lines[skipped] if skipped < len(lines) else ""
    body = "".join(lines[skipped:])
    reader = csv.reader(
        io.StringIO(body, newline=""), delimiter=delimiter or _delimiter(header), strict=True, skipinitialspace=True
    )
    numbered = list(_numbered(reader, skipped, path))
    columns = [clean(name) for name in numbered[0][1]] if numbered else []
    _refuse_twice(columns, path)
    rows = []
    for line_number, cells in numbered[1:]:
        _refuse_more_cells(cells, columns, line_number, path)
        padded = [*cells, *[""] * (len(columns) - len(cells))]
        rows.append((line_number, {name: clean(cell) for name, cell in zip(columns, padded, strict=False) if name}))
    return TableRows(tuple(name for name in columns if name), rows)


def _numbered(reader: Any, skipped: int, path: Path) -> Iterator[tuple[int, list[str]]]:
    """Rows that hold something, each with the line where it starts; comments are passed over."""
    start = skipped + 1
    try:
        for cells in reader:
            filled = [cell for cell in cells if cell.strip()]
            if filled and not (len(filled) == 1 and len(cells) == 1 and filled[0].startswith("#")):
                yield start, cells
            start = skipped + reader.line_num + 1
    except csv.Error as error:
        raise DataError(
            f"{path}, line {start}: {error}. Look for a quotation mark without its other half, and save the table as "
            "CSV in UTF-8."
        ) from error


def _delimiter(header: str) -> str:
    """What stands most often in the header, of those that programs write."""
    return max(",;\t", key=header.count) if any(sign in header for sign in ",;\t") else ("|" if "|" in header else ",")


def _refuse_twice(columns: Sequence[str], path: Path) -> None:
    twice = next((name for name in columns if name and columns.count(name) > 1), None)
    if twice is not None:
        places = " and ".join(str(place) for place, name in enumerate(columns, 1) if name == twice)
        raise DataError(f"{path}: the columns {places} have one name, {twice!r}. Give each a name of its own.")


def _refuse_more_cells(cells: Sequence[str], columns: Sequence[str], line: int, path: Path) -> None:
    if any(cell.strip() for cell in cells[len(columns) :]):
        raise DataError(
            f"{path}, line {line}: {len(cells)} cells, and the header has {len(columns)}. Put quotation marks around "
            'cells that hold the separator, as in "a, b".'
        )


def _from_json(text: str, path: Path) -> TableRows:
    """JSON lines; or one list of objects; or one object of file names with their labels."""
    try:
        whole: Any = json.loads(text)
    except json.JSONDecodeError:
        objects = list(_json_lines(text, path))
    else:
        if isinstance(whole, dict) and not _is_row(whole):
            if not all(isinstance(label, str | int | float | list) for label in whole.values()) or "images" in whole:
                raise DataError(
                    f"{path} is JSON with {', '.join(list(whole)[:3])}, not a table of labels. Write a line for each "
                    'image, such as {"file": "cats/1.jpg", "label": "cat"}.'
                )
            whole = [{"file": file, "label": label} for file, label in whole.items()]
        objects = list(enumerate(whole if isinstance(whole, list) else [whole], 1))
    rows = [(line, _row_of(one, line, path)) for line, one in objects]
    columns = tuple(dict.fromkeys(clean(name) for _, row in rows for name in row))
    return TableRows(columns, [(line, {name: row.get(name, "") for name in columns}) for line, row in rows])


def _is_row(one: Mapping[str, Any]) -> bool:
    """Whether an object is a row, by itself in its file, rather than files with their labels."""
    return any(name.lower() in ("file", "file_name", "filename", "image", "path") for name in one)


def _json_lines(text: str, path: Path) -> Iterator[tuple[int, Any]]:
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip():
            try:
                yield number, json.loads(line)
            except json.JSONDecodeError as error:
                raise DataError(
                    f"{path}, line {number}: not JSON, {error.msg}. Write an object on each line, such as "
                    '{"file": "cats/1.jpg", "label": "cat"}.'
                ) from error


def _row_of(one: Any, line: int, path: Path) -> dict[str, str]:
    if not isinstance(one, dict):
        raise DataError(f'{path}, line {line}: no JSON object. Write rows such as {{"file": "1.jpg", "label": "cat"}}.')
    return {clean(name): _cell(value) for name, value in one.items()}


def _cell(value: object) -> str:
    """A value as CSV has it; the parts of a list have | between them."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | tuple):
        return "|".join(map(_cell, value))
    return clean(str(value))


def _from_excel(content: bytes, path: Path) -> TableRows:
    openpyxl = _library("openpyxl", "an Excel file", path)
    try:
        book = openpyxl.load_workbook(io.BytesIO(content), read_only=True, data_only=True)
        sheets = {sheet.title: list(sheet.iter_rows(values_only=True)) for sheet in book.worksheets}
    except _DAMAGES as error:
        raise _damaged(path, "Excel", error) from error
    filled = {title: rows for title, rows in sheets.items() if any(any(row) for row in rows)}
    if len(filled) != 1:
        named = ", ".join(filled) or "none with cells"
        raise DataError(f"{path} has the sheets {named}. Keep the one with the labels, or save it as CSV in UTF-8.")
    ((_, rows),) = filled.items()
    return _from_values(rows, path)


def _from_values(rows: Iterable[Sequence[object]], path: Path) -> TableRows:
    """Rows of values, of which the first that holds any is the header."""
    numbered = [(number, [_cell(value) for value in row]) for number, row in enumerate(rows, 1)]
    filled = [(number, cells) for number, cells in numbered if any(cells)]
    columns = filled[0][1] if filled else []
    _refuse_twice(columns, path)
    return TableRows(
        tuple(name for name in columns if name),
        [
            (number, {name: cell for name, cell in zip(columns, cells, strict=False) if name})
            for number, cells in filled[1:]
        ],
    )


def _from_parquet(content: bytes, path: Path) -> TableRows:
    parquet = _library("pyarrow.parquet", "a Parquet file", path)
    try:
        table = parquet.read_table(io.BytesIO(content))
    except _DAMAGES as error:
        raise _damaged(path, "Parquet", error) from error
    columns = [name for name, kind in zip(table.column_names, table.schema.types, strict=True) if _is_plain(str(kind))]
    values = [table.column(name).to_pylist() for name in columns]
    return _from_values([columns, *zip(*values, strict=True)], path)


def _is_plain(kind: str) -> bool:
    """Whether a column holds words, numbers or lists: not images, which data sets in Parquet often do."""
    return not kind.startswith(("struct", "binary", "large_binary", "fixed_size_binary", "map"))


def _damaged(path: Path, form: str, error: Exception) -> DataError:
    return DataError(f"{path} cannot be read as {form}: {error}. Save it again, or as CSV in UTF-8.")


def _library(name: str, what: str, path: Path) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise MachineError(
            f"{path} is {what}, which needs the library {name.partition('.')[0]} ({error}). Install it: "
            "pip install 'convlens[tables]'; or save the table as CSV in UTF-8."
        ) from error
