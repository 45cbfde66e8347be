"""Tables in every form that programs write: which rows they have, in which lines, and what is refused."""

import gzip
import io
import zipfile
from pathlib import Path

import pytest

from convlens.core.errors import DataError, MachineError, UsageError
from convlens.data import table_file
from convlens.data.table_file import TableRows, read_table
from tests.data.drawn import put

CSV = "file,label\n1.jpg,cat\n2.jpg,dog\n"
ROWS = [{"file": "1.jpg", "label": "cat"}, {"file": "2.jpg", "label": "dog"}]


def read(tmp_path: Path, content: bytes | str, name: str = "labels.csv") -> TableRows:
    return read_table(put(tmp_path / name, content))


def zipped(**files: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return file.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        CSV,
        CSV.replace("\n", "\r\n"),
        CSV.replace(",", ";"),
        CSV.replace(",", "\t"),
        CSV.replace(",", "|"),
        CSV.replace(",", ", "),
        CSV.encode("utf-8-sig"),
        CSV.encode("utf-16"),
        gzip.compress(CSV.encode()),
        zipped(table=CSV),
        '{"file": "1.jpg", "label": "cat"}\n\n{"file": "2.jpg", "label": "dog"}\n',
        '[{"file": "1.jpg", "label": "cat"}, {"file": "2.jpg", "label": "dog"}]',
        '{"1.jpg": "cat", "2.jpg": "dog"}',
    ],
    ids=[
        "unix",
        "dos",
        "semicolons",
        "tabs",
        "bars",
        "spaces",
        "bom",
        "utf-16",
        "gz",
        "zip",
        "lines",
        "list",
        "object",
    ],
)
def test_one_table_in_many_forms(tmp_path: Path, content: bytes | str) -> None:
    table = read(tmp_path, content)
    assert table.columns == ("file", "label")
    assert [row for _, row in table.rows] == ROWS


def test_what_is_passed_over_and_the_lines_of_the_rest(tmp_path: Path) -> None:
    text = 'sep=;\n# made by hand\n\nfile;label\n1.jpg;cat\n;\n# dogs\n"2\n.jpg";dog\n\n3.jpg;"a;b"\n;;\n'
    assert read(tmp_path, text).rows == [
        (5, {"file": "1.jpg", "label": "cat"}),
        (8, {"file": "2\n.jpg", "label": "dog"}),
        (11, {"file": "3.jpg", "label": "a;b"}),
    ]


def test_columns_without_a_name_and_cells_that_are_not_there(tmp_path: Path) -> None:
    table = read(tmp_path, ",file,label,\n0,1.jpg,cat,\n1,2.jpg\n")
    assert table.columns == ("file", "label")
    assert [row for _, row in table.rows] == [ROWS[0], {"file": "2.jpg", "label": ""}]


def test_invisible_characters_around_cells(tmp_path: Path) -> None:
    table = read(tmp_path, "\u200bfile , label\n1.jpg\xa0,\u200bcat\u200b \n")
    assert [row for _, row in table.rows] == [ROWS[0]]


def test_values_of_json(tmp_path: Path) -> None:
    text = '{"file": "1.jpg", "tags": ["a", "b"], "n": 2.5, "yes": true, "none": null}\n{"file": "2.jpg", "more": 1}\n'
    assert [row for _, row in read(tmp_path, text, "labels.jsonl").rows] == [
        {"file": "1.jpg", "tags": "a|b", "n": "2.5", "yes": "true", "none": "", "more": ""},
        {"file": "2.jpg", "tags": "", "n": "", "yes": "", "none": "", "more": "1"},
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("file,label\n1.jpg,cat\0\n", "line 2: holds a NUL byte"),
        ("file,label\n1.jpg,a,b\n", "line 2: 3 cells, and the header has 2"),
        ("file,label,label\n1.jpg,a,b\n", "the columns 2 and 3 have one name, 'label'"),
        ('file,label\n1.jpg,"cat\n2.jpg,dog\n', "line 2: unexpected end of data"),
        ("<!DOCTYPE html>\n<html>", "is an HTML page"),
        ("version https://git-lfs.github.com/spec/v1\noid sha256:1", "is a pointer of Git LFS"),
        (b"file,label\n\xe9.jpg,cat\n", "is not text in UTF-8"),
        (b"\xd0\xcf\x11\xe0" + bytes(9), r"is an Excel file of the old form \(\.xls\)"),
        (b"\x1f\x8b" + bytes(9), "cannot be unpacked"),
        (b"PK\x03\x04" + bytes(9), "cannot be unpacked"),
        (zipped(a=CSV, b=CSV), "is a zip file of 2 files"),
        ('{"file": "1.jpg"}\n{"file": \n', "line 2: not JSON"),
        ('{"file": "1.jpg"}\n7\n', "line 2: no JSON object"),
        ('{"images": [], "annotations": []}', "is JSON with images, annotations, not a table"),
    ],
)
def test_what_is_no_table(tmp_path: Path, content: bytes | str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read(tmp_path, content)


def test_too_large_a_table_is_not_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table_file, "_MOST_BYTES", 1000)
    with pytest.raises(DataError, match="unpacks to over"):
        read(tmp_path, gzip.compress(bytes(2000)))


def test_a_folder(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"labels='.*' is a folder\. Give a table"):
        read_table(tmp_path)


class TestWithTheExtra:
    def test_excel(self, tmp_path: Path) -> None:
        openpyxl = pytest.importorskip("openpyxl")
        book = openpyxl.Workbook()
        for row in ([None], ["file", "label", "age"], ["1.jpg", "cat", 3], [None, None, None], ["2.jpg", "dog", 2.5]):
            book.active.append(row)
        book.create_sheet("empty")
        book.save(tmp_path / "labels.xlsx")
        assert read_table(tmp_path / "labels.xlsx").rows == [
            (3, {**ROWS[0], "age": "3"}),
            (5, {**ROWS[1], "age": "2.5"}),
        ]
        book["empty"].append(["file"])
        book.save(tmp_path / "labels.xlsx")
        with pytest.raises(DataError, match=r"has the sheets Sheet, empty\. Keep the one with the labels"):
            read_table(tmp_path / "labels.xlsx")

    def test_parquet(self, tmp_path: Path) -> None:
        pyarrow = pytest.importorskip("pyarrow")
        parquet = pytest.importorskip("pyarrow.parquet")
        columns = {
            "file": ["1.jpg", "2.jpg"],
            "label": ["cat", "dog"],
            "tags": [["a", "b"], []],
            "image": [{"bytes": b"x"}, None],
        }
        parquet.write_table(pyarrow.table(columns), tmp_path / "labels.parquet")
        table = read_table(tmp_path / "labels.parquet")
        assert table.columns == ("file", "label", "tags")
        assert [row for _, row in table.rows] == [{**ROWS[0], "tags": "a|b"}, {**ROWS[1], "tags": ""}]

    @pytest.mark.parametrize(("library", "content"), [("openpyxl", zipped(**{"xl/a": ""})), ("pyarrow", b"PAR1PAR1")])
    def test_damaged(self, tmp_path: Path, library: str, content: bytes) -> None:
        pytest.importorskip(library)
        with pytest.raises(DataError, match="cannot be read as"):
            read(tmp_path, content)

    @pytest.mark.parametrize(("library", "content"), [("openpyxl", zipped(**{"xl/a": ""})), ("pyarrow", b"PAR1PAR1")])
    def test_without_the_library(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, library: str, content: bytes
    ) -> None:
        def missing(name: str) -> None:
            raise ImportError(f"No module named {name!r}")

        monkeypatch.setattr(table_file.importlib, "import_module", missing)
        with pytest.raises(MachineError, match=rf"needs the library {library} .* pip install 'convlens\[tables\]'"):
            read(tmp_path, content)
