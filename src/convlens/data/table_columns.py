"""Table columns: which column of a table names the files, which says the sides, and which are learned."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from convlens.core.errors import DataError, unknown_name
from convlens.core.kinds.columns import CLASS_COLUMNS, plain_name
from convlens.core.settings import setting
from convlens.data.file_index import FileIndex
from convlens.data.manifest import Side
from convlens.data.side_names import SIDE_NAMES, side_name
from convlens.data.table_file import TableRows

_FILE_NAMES = (
    *("file", "filename", "filepath", "path", "image", "picture", "imagefile", "imagefilename", "imagepath"),
    *(
        "imagename",
        "img",
        "imgpath",
        "imgname",
        "imgfile",
        "imagefilepath",
        "relativepath",
        "fullpath",
        "photo",
        "fname",
    ),
    *("files", "filenames", "images", "imageindex", "imageurl", "url", "imageid", "imgid", "photoid", "id"),
)
"""What the column of the files is called, in small letters without spaces and underscores; the first that is there."""
_LABEL_NAMES = (
    *CLASS_COLUMNS,
    *("labels", "tags", "classname", "labelname", "categoryname", "classes", "categories", "target", "targets"),
    *("breed", "species", "variety", "diagnosis", "dx", "findinglabels", "classid", "labelid", "categoryid"),
)
_SIDE_NAMES = ("side", "split", "subset", "set", "partition", "phase", "usage", "datasplit", "dataset")
_DECIDED_NAMES = ("side", "split", "subset")
"""Those that are about sides for sure: a cell that is none is refused."""
_FLAGS: Mapping[str, Side] = {
    **dict.fromkeys(("isvalid", "isval", "isvalidation", "isdev"), "val"),
    **dict.fromkeys(("istest", "istestimage", "isholdout"), "test"),
    **dict.fromkeys(("istrain", "istraining", "istrainingimage", "istrainimage"), "train"),
}
"""Columns of yes and no, and the side of an image where the cell says yes."""
_YES, _NO = {"1", "1.0", "true", "t", "yes", "y"}, {"0", "0.0", "false", "f", "no", "n", ""}
_FOLDS = {"fold", "folds", "kfold", "cvfold", "foldid", "splitid"}
_ROW_NUMBERS = {"index", "unnamed0", "rowid", "rownumber"}
_LOOKED_AT = 50
_NAMED = 10


class SideColumns(NamedTuple):
    """The columns that say the sides, and what they say of a row."""

    names: tuple[str, ...]
    side_of: Callable[[Mapping[str, str]], Side | None]


class Columns(NamedTuple):
    """What the columns of a table are for, and what is to be said of how that was found."""

    file: str
    sides: SideColumns
    learned: tuple[str, ...]
    notices: tuple[str, ...]


class Asked(NamedTuple):
    """What a person, or the run that is evaluated, says of the columns; "" and () for what is to be found."""

    file: str = ""
    learned: Sequence[str] = ()
    usual: Sequence[str] = ()
    group: str = ""
    predefined_split: bool = True


def columns_of(table: TableRows, asked: Asked, index: FileIndex, path: Path) -> Columns:
    """What the columns of a table are for. Raises UsageError for a column that there is not, DataError for none."""
    file, guess = _file_column(table, asked.file, index, path)
    sides = _side_columns(table, {file, asked.group}, path) if asked.predefined_split else _NO_SIDES
    others = [name for name in table.columns if name not in (file, asked.group, *sides.names)]
    learned = _learned(table, others, asked, path)
    unused = [name for name in table.columns if name not in (file, asked.group, *sides.names, *learned)]
    return Columns(file, sides, learned, (*guess, *_said_of_sides(sides), *_said_of_unused(unused)))


def _never_learned(name: str) -> bool:
    """Whether a column names rows, numbers them or divides them."""
    return plain_name(name) in {*_FOLDS, *_ROW_NUMBERS, *_SIDE_NAMES, *_FLAGS, *_FILE_NAMES}


def _file_column(table: TableRows, asked: str, index: FileIndex, path: Path) -> tuple[str, tuple[str, ...]]:
    """The column of the files, and what is said where its name does not tell that it is."""
    if asked:
        if asked not in table.columns:
            raise unknown_name(f"column of {path}", asked, table.columns)
        return asked, ()
    for name in table.columns:
        if "." in name:
            _refuse_file_as_header(name, index, path)
    by_name = {plain_name(name): name for name in reversed(table.columns)}
    called = [by_name[name] for name in _FILE_NAMES if name in by_name]
    other = [name for name in table.columns if name not in called]
    exact = [name for name in called if _files_in(table, name, index, as_written=True)]
    written = [name for name in other if _mostly_files(table, name, index, as_written=True)]
    fitting = [name for name in called if _files_in(table, name, index)]
    holding = [name for name in other if not called and _mostly_files(table, name, index)]
    if exact or (len(written) != 1 and called):
        return [*exact, *fitting, *called][0], ()
    if len(found := written if len(written) == 1 else holding) == 1:
        _refuse_file_as_header(found[0], index, path)
        return found[0], (
            f"the column {found[0]!r} is taken for the files, the only one whose cells are; to take another, set "
            f"{setting('file_column')}",
        )
    several = f" In {' and '.join(map(repr, holding))} there are files." if holding else ""
    raise DataError(
        f"{path} has no column that names the files: none is called file, filename, path, image or id.{several} Its "
        f"header is: {', '.join(table.columns) or 'empty'}. Name the column with {setting('file_column')}."
    )


def _mostly_files(table: TableRows, name: str, index: FileIndex, *, as_written: bool = False) -> bool:
    return 2 * _files_in(table, name, index, as_written=as_written) > min(len(table.rows), _LOOKED_AT)


def _files_in(table: TableRows, name: str, index: FileIndex, *, as_written: bool = False) -> int:
    """How many cells of a column, of the first ones, are files of the folder, or exactly so.

    In a column that is not called after files, numbers are no names: an age of 7 is not 7.png.
    """
    cells = [row[name] for _, row in table.rows[:_LOOKED_AT] if row[name]]
    numbers_count = plain_name(name) in _FILE_NAMES
    found = (index.find(cell) for cell in cells if numbers_count or not _is_number(cell))
    return sum(one.file is not None and (one.as_written or not as_written) for one in found)


def _is_number(text: str) -> bool:
    return text.replace(".", "", 1).isdigit()


def _refuse_file_as_header(name: str, index: FileIndex, path: Path) -> None:
    if index.find(name).file is not None:
        raise DataError(
            f"{path} has no header: its first row names the file {name!r}. Write the names of the columns above it, "
            "such as file,label."
        )


_NO_SIDES = SideColumns((), lambda row: None)


def _side_columns(table: TableRows, others: set[str], path: Path) -> SideColumns:
    """The column of sides, or else those of yes and no, such as is_valid and is_test."""
    for wanted in _SIDE_NAMES:
        for name in table.columns:
            if plain_name(name) == wanted and name not in others and (found := _by_words(table, name, path)):
                return found
    flags: dict[str, Side] = {
        name: _FLAGS[plain]
        for name in table.columns
        if (plain := plain_name(name)) in _FLAGS and name not in others and _is_flag(table, name)
    }
    return SideColumns(tuple(flags), lambda row: _flagged(row, flags)) if flags else _NO_SIDES


def _is_flag(table: TableRows, name: str) -> bool:
    cells = {row[name].lower() for _, row in table.rows}
    return cells <= _YES | _NO and bool(cells & _YES)


def _flagged(row: Mapping[str, str], flags: Mapping[str, Side]) -> Side:
    """The side of a row: of several flags the one for judging; what is said not to be trained on is for testing."""
    on = {side for name, side in flags.items() if row[name].lower() in _YES}
    if "test" in on or "val" in on:
        return "test" if "test" in on else "val"
    off = {side for name, side in flags.items() if row[name].lower() in _NO}
    return "test" if "train" in off and "train" not in on else "train"


def _by_words(table: TableRows, name: str, path: Path) -> SideColumns | None:
    """A column whose cells name sides. One that is called so and does not is refused; others are no such column."""
    meant: dict[str, Side | None] = {"": None}
    for line, row in table.rows:
        text = row[name]
        if text.lower() not in meant and text not in meant:
            found = SIDE_NAMES.get(text.lower()) or ((word := side_name(text)) and word.side) or None
            if found is None and plain_name(name) not in _DECIDED_NAMES:
                return None
            if found is None:
                raise DataError(
                    f"{path}, line {line}: {text!r} in the column {name!r} is not a side. Accepted are "
                    f"{', '.join(SIDE_NAMES)}, or an empty cell; if the column is not about sides, give it another "
                    f"name, or set {setting('predefined_split', False)}."
                )
            meant[text] = found
    if len(meant) == 1 and plain_name(name) not in _DECIDED_NAMES:
        return None
    return SideColumns((name,), lambda row: meant[row[name]])


def _learned(table: TableRows, others: Sequence[str], asked: Asked, path: Path) -> tuple[str, ...]:
    """The columns that are learned."""
    for name in asked.learned:
        if name not in others:
            raise unknown_name(f"column of {path}", name, others)
    if asked.learned:
        return tuple(asked.learned)
    if asked.usual and all(name in others for name in asked.usual):
        return tuple(asked.usual)
    by_name = {plain_name(name): name for name in reversed(others)}
    if called := next((by_name[name] for name in _LABEL_NAMES if name in by_name), None):
        return (called,)
    likely = [name for name in others if not _never_learned(name)]
    if not others:
        raise DataError(
            f"{path} has no column {' or '.join((*CLASS_COLUMNS, 'labels', 'tags'))}, nor any other to be learned. "
            f"Its header is: {', '.join(table.columns)}."
        )
    return tuple(likely or others)


def _said_of_sides(sides: SideColumns) -> Iterator[str]:
    if any(plain_name(name) not in _DECIDED_NAMES for name in sides.names):
        named = " and ".join(map(repr, sides.names))
        yield f"the split is taken from the column {named}; to split anew, set {setting('predefined_split', False)}"


def _said_of_unused(unused: Sequence[str]) -> Iterator[str]:
    if unused:
        rest = f" and {len(unused) - _NAMED} more" if len(unused) > _NAMED else ""
        yield (
            f"columns of the table that are not used: {', '.join(unused[:_NAMED])}{rest}; to learn some, set "
            f"{setting('label_columns')}"
        )
