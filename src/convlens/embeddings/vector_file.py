"""Files of vectors: CSV, NumPy's own with a table beside it, or Parquet."""

import csv
import importlib
import io
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convlens.core.errors import MachineError, UsageError
from convlens.core.files import write_atomically
from convlens.core.settings import setting

FILE, LABEL, VECTOR = "file", "label", "vector"
_Write = Callable[[Path, dict[str, Sequence[str]], NDArray[np.float32]], list[Path]]


def write_vectors(path: Path, columns: dict[str, Sequence[str]], vectors: NDArray[np.float32]) -> list[Path]:
    """Write float32 vectors (N, D) with columns of text, each of length N; what was written.

    The end of the name decides. `.csv`: the columns, then a column for each dimension, f0, f1, ... `.parquet`: the
    columns, then `vector`, a list of fixed size. `.npy`: the array alone; the columns are in a CSV beside it,
    NAME.npy.csv, whose rows are in the same order. Raises UsageError for another name, MachineError where the library
    for Parquet is not installed.
    """
    return _writer(path)(path, columns, vectors)


def refuse_unwritable_vectors(path: Path) -> None:
    """Raises what `write_vectors` would, before the work, and UsageError where something is there."""
    writer = _writer(path)
    if writer is _write_parquet:
        _parquet(path)
    for one in (path, *([_beside(path)] if writer is _write_npy else [])):
        if one.exists():
            raise UsageError(f"{one} already exists. Remove it, or choose another name with {setting('out')}.")


def _writer(path: Path) -> _Write:
    writer = _WRITERS.get(path.suffix.lower())
    if writer is None:
        *others, last = _WRITERS
        raise UsageError(f"{setting('out', path)}: give a name that ends in {', '.join(others)} or {last}.")
    return writer


def _write_csv(path: Path, columns: dict[str, Sequence[str]], vectors: NDArray[np.float32]) -> list[Path]:
    names = [*columns, *(f"f{number}" for number in range(vectors.shape[1]))]
    numbers = (map("{:.9g}".format, row.tolist()) for row in vectors)  # digits enough to give the same float32 again
    rows = ([*texts, *row] for *texts, row in zip(*columns.values(), numbers, strict=True))
    write_atomically(path, _table(names, rows))
    return [path]


def _write_npy(path: Path, columns: dict[str, Sequence[str]], vectors: NDArray[np.float32]) -> list[Path]:
    beside = _beside(path)
    write_atomically(beside, _table([*columns], zip(*columns.values(), strict=True)))
    content = io.BytesIO()
    np.save(content, vectors, allow_pickle=False)
    write_atomically(path, content.getvalue())
    return [path, beside]


def _beside(path: Path) -> Path:
    return path.with_name(f"{path.name}.csv")


def _write_parquet(path: Path, columns: dict[str, Sequence[str]], vectors: NDArray[np.float32]) -> list[Path]:
    arrow, parquet = _parquet(path)
    flat = arrow.array(vectors.reshape(-1), type=arrow.float32())
    lists = arrow.FixedSizeListArray.from_arrays(flat, vectors.shape[1])
    texts = {name: arrow.array(list(values), type=arrow.string()) for name, values in columns.items()}
    content = io.BytesIO()
    parquet.write_table(arrow.table({**texts, VECTOR: lists}), content)
    write_atomically(path, content.getvalue())
    return [path]


_WRITERS: dict[str, _Write] = {".csv": _write_csv, ".npy": _write_npy, ".parquet": _write_parquet}


def _parquet(path: Path) -> tuple[Any, Any]:
    try:
        return importlib.import_module("pyarrow"), importlib.import_module("pyarrow.parquet")
    except ImportError as error:
        raise MachineError(
            f"{path}: to write Parquet takes pyarrow, which is not installed. Install it with pip install "
            "'convlens[tables]', or give a name that ends in .csv or .npy."
        ) from error


def _table(names: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(names)
    writer.writerows(rows)
    return text.getvalue()
