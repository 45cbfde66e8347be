"""Files of vectors: the same numbers again, with their files and labels in order."""

import csv
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet
import pytest

from convlens.core.errors import MachineError, UsageError
from convlens.embeddings.vector_file import refuse_unwritable_vectors, write_vectors

COLUMNS = {"file": ["a.png", 'b,"<i>.png', "c\n.png"], "label": ["x", "y|z", ""]}
VECTORS = np.random.default_rng(0).normal(0, [1e-8, 1, 1e8, 1], (3, 4)).astype(np.float32)


def read_csv(path: Path) -> list[list[str]]:
    with path.open(newline="") as file:
        return [*csv.reader(file)]


def test_csv_has_all_of_it(tmp_path: Path) -> None:
    assert write_vectors(tmp_path / "v.csv", COLUMNS, VECTORS) == [tmp_path / "v.csv"]
    header, *rows = read_csv(tmp_path / "v.csv")
    assert header == ["file", "label", "f0", "f1", "f2", "f3"]
    assert [row[:2] for row in rows] == [[*pair] for pair in zip(*COLUMNS.values(), strict=True)]
    assert np.array_equal(np.array([row[2:] for row in rows], dtype=np.float32), VECTORS)


def test_npy_has_its_files_beside_it(tmp_path: Path) -> None:
    assert write_vectors(tmp_path / "v.npy", COLUMNS, VECTORS) == [tmp_path / "v.npy", tmp_path / "v.npy.csv"]
    assert np.array_equal(np.load(tmp_path / "v.npy", allow_pickle=False), VECTORS)
    assert read_csv(tmp_path / "v.npy.csv")[1:] == [[*pair] for pair in zip(*COLUMNS.values(), strict=True)]


def test_parquet_has_lists(tmp_path: Path) -> None:
    write_vectors(tmp_path / "v.parquet", COLUMNS, VECTORS)
    table = pyarrow.parquet.read_table(tmp_path / "v.parquet")
    assert {name: table.column(name).to_pylist() for name in COLUMNS} == COLUMNS
    assert np.array_equal(np.array(table.column("vector").to_pylist(), dtype=np.float32), VECTORS)


def test_what_cannot_be_written_is_refused_before_the_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match=r"ends in \.csv, \.npy or \.parquet"):
        refuse_unwritable_vectors(tmp_path / "v.txt")
    (tmp_path / "v.npy.csv").write_text("mine")
    with pytest.raises(UsageError, match=r"v\.npy\.csv already exists"):
        refuse_unwritable_vectors(tmp_path / "v.npy")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MachineError, match=r"pip install 'convlens\[tables\]'"):
        refuse_unwritable_vectors(tmp_path / "v.parquet")
