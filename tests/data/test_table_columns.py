"""What the columns of a table are taken for, and what is said of it."""

from pathlib import Path

import pytest

from convlens.core.errors import DataError, UsageError
from convlens.core.settings import as_keywords
from convlens.data.label_table import LabelTable, read_labels
from convlens.data.table_columns import Asked
from tests.data.drawn import put

FILES = ("0001.jpg", "0002.jpg", "0003.jpg", "cat/0004.jpg")


def read(tmp_path: Path, *lines: str, **asked: object) -> LabelTable:
    for file in FILES:
        put(tmp_path / "images" / file)
    table = put(tmp_path / "labels.csv", "\n".join(lines) + "\n")
    return read_labels(table, tmp_path / "images", asked=Asked(**asked))


def told(table: LabelTable) -> str:
    return "\n".join(map(as_keywords, table.notices))


class TestFiles:
    @pytest.mark.parametrize(
        "name",
        ["file", "File Name", "filepath", "image_path", "Image Name", "img", "Image Index", "image_id", "id", "URL"],
    )
    def test_usual_names(self, tmp_path: Path, name: str) -> None:
        table = read(tmp_path, f"{name},label", "0001.jpg,a", "0002.jpg,b")
        assert (list(table.labels), table.notices) == (["0001.jpg", "0002.jpg"], ())

    @pytest.mark.parametrize("name", ["scan", "name", "my pics"])
    def test_the_only_column_whose_cells_are_files(self, tmp_path: Path, name: str) -> None:
        table = read(tmp_path, f"age,{name},label", "1,0003.jpg,a", "2,0002.jpg,b")
        assert list(table.labels) == ["0003.jpg", "0002.jpg"]
        assert (
            f"the column {name!r} is taken for the files, the only one whose cells are; to take another, set "
            in told(table)
        )

    def test_numbers_of_rows_are_no_files_where_another_column_names_them(self, tmp_path: Path) -> None:
        table = read(tmp_path, "id,scan,label", "1,0003.jpg,a", "2,0002.jpg,b")
        assert list(table.labels) == ["0003.jpg", "0002.jpg"]
        assert "the column 'scan' is taken for the files" in told(table)

    def test_other_numbers_are_never_files(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match=r"none of the 2 files in the column 'file' is found below .*/images\. 'x'"):
            read(tmp_path, "file,age", "x,1", "y,2")
        with pytest.raises(DataError, match="has no column that names the files"):
            read(tmp_path, "one,age", "x,1", "y,2")

    def test_the_name_of_a_folder_is_no_file(self, tmp_path: Path) -> None:
        table = read(tmp_path, "kind,scan", "cat,0003.jpg", "cat,0002.jpg")
        assert list(table.labels.items()) == [("0003.jpg", ("cat",)), ("0002.jpg", ("cat",))]

    def test_one_that_is_asked_for(self, tmp_path: Path) -> None:
        lines = ("file,second,label", "0001.jpg,0003.jpg,a", "0002.jpg,0002.jpg,b")
        assert list(read(tmp_path, *lines, file="second").labels) == ["0003.jpg", "0002.jpg"]
        with pytest.raises(UsageError, match=r"unknown column of .*labels\.csv 'secondd': did you mean second\?"):
            read(tmp_path, *lines, file="secondd")

    @pytest.mark.parametrize("line", ["0001.jpg,a", "cat/0004.jpg,a", "0001,a"])
    def test_a_table_without_a_header(self, tmp_path: Path, line: str) -> None:
        with pytest.raises(DataError, match="has no header: its first row names the file"):
            read(tmp_path, line, "0002.jpg,b", "0003.jpg,b")


class TestSides:
    @pytest.mark.parametrize(
        ("name", "cells", "sides"),
        [
            ("split", ("train", "valid", ""), ("train", "val", None)),
            ("Subset", ("TRAIN", "Dev", "Testing"), ("train", "val", "test")),
            ("set", ("train", "test", "test"), ("train", "test", "test")),
            ("Usage", ("Training", "PublicTest", "PrivateTest"), ("train", "test", "test")),
            ("is_valid", ("True", "False", "False"), ("val", "train", "train")),
            ("is_test", ("0", "1", "1.0"), ("train", "test", "test")),
            ("is_training_image", ("1", "0", "1"), ("train", "test", "train")),
        ],
    )
    def test_usual_names(
        self, tmp_path: Path, name: str, cells: tuple[str, ...], sides: tuple[str | None, ...]
    ) -> None:
        rows = [f"{file},{label},{cell}" for file, label, cell in zip(FILES, "aba", cells, strict=False)]
        table = read(tmp_path, f"file,label,{name}", *rows)
        assert tuple(table.sides.values()) == sides
        anew = read(tmp_path, f"file,label,{name}", *rows, predefined_split=False)
        assert set(anew.sides.values()) == {None}
        assert told(anew) == f"columns of the table that are not used: {name}; to learn some, set label_columns"

    def test_two_of_yes_and_no(self, tmp_path: Path) -> None:
        table = read(tmp_path, "file,label,is_val,is_test", "0001.jpg,a,1,0", "0002.jpg,b,0,1", "0003.jpg,a,0,0")
        assert list(table.sides.values()) == ["val", "test", "train"]
        assert told(table) == (
            "the split is taken from the column 'is_val' and 'is_test'; to split anew, set predefined_split=False"
        )

    @pytest.mark.parametrize(
        ("name", "cells"), [("fold", "012"), ("set", "123"), ("phase", ("full", "new", "half")), ("is_valid", "000")]
    )
    def test_others_are_named_as_unused(self, tmp_path: Path, name: str, cells: tuple[str, ...]) -> None:
        rows = [f"{file},{label},{cell}" for file, label, cell in zip(FILES, "aba", cells, strict=False)]
        table = read(tmp_path, f"file,label,{name}", *rows)
        assert set(table.sides.values()) == {None}
        assert told(table) == f"columns of the table that are not used: {name}; to learn some, set label_columns"

    def test_a_column_called_as_one_of_sides_may_be_learned(self, tmp_path: Path) -> None:
        assert read(tmp_path, "file,phase", "0001.jpg,full", "0002.jpg,new").names == ("full", "new")

    def test_the_folders_of_the_files(self, tmp_path: Path) -> None:
        for file in ("train/1.jpg", "train/2.jpg", "val/1.jpg"):
            put(tmp_path / "images" / file)
        lines = ("file,label", "train/1.jpg,a", "train/2.jpg,b", "val/1.jpg,a")
        table = read(tmp_path, *lines)
        assert list(table.sides.values()) == ["train", "train", "val"]
        assert told(table) == (
            "the split is that of the folders in which the files lie; to split anew, set predefined_split=False"
        )
        assert set(read(tmp_path, *lines, predefined_split=False).sides.values()) == {None}
        assert set(read(tmp_path, *lines, "0001.jpg,a").sides.values()) == {None}
        given = read(tmp_path, "file,label,split", "train/1.jpg,a,val", "train/2.jpg,b,train", "val/1.jpg,a,train")
        assert list(given.sides.values()) == ["val", "train", "train"]


class TestLearned:
    @pytest.mark.parametrize("name", ["breed", "Species", "class_name", "dx", "Finding Labels", "target"])
    def test_usual_names_among_others(self, tmp_path: Path, name: str) -> None:
        table = read(tmp_path, f"file,width,{name},note", "0001.jpg,7,a,x", "0002.jpg,8,b,y")
        assert table.names == ("a", "b")
        assert told(table) == "columns of the table that are not used: width, note; to learn some, set label_columns"

    def test_names_go_before_numbers_of_classes(self, tmp_path: Path) -> None:
        assert read(tmp_path, "file,class_id,class_name", "0001.jpg,0,a", "0002.jpg,1,b").names == ("a", "b")
        numbers = read(tmp_path, "file,class_id", "0001.jpg,0", "0002.jpg,7")
        assert (numbers.kind.name, numbers.names) == ("classification", ("0", "7"))

    @pytest.mark.parametrize("name", ["fold", "index", "Unnamed: 0", "row_id", "image_url"])
    def test_what_numbers_or_names_rows_is_not_learned(self, tmp_path: Path, name: str) -> None:
        table = read(tmp_path, f"{name},file,age,height", "4,0001.jpg,30,1.5", "5,0002.jpg,40,1.75")
        assert table.names == ("age", "height")
