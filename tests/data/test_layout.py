"""Labels from a table, classes in nested folders, groups by name or column."""

from pathlib import Path

import pytest

from convlens.core.errors import DataError, UsageError
from convlens.core.kinds.kind import text_of
from convlens.data.layout import Layout
from convlens.data.manifest import Manifest
from convlens.data.scan import scan
from tests.data.drawn import put

ABC = ("1.jpg", "2.jpg", "3.jpg")


def found(manifest: Manifest) -> dict[str, tuple[str, str | None, str]]:
    return {one.file: (text_of(one.labels), one.side, one.group) for one in manifest.images}


def reasons(manifest: Manifest) -> dict[str, str]:
    return {one.file: one.reason for one in manifest.problems}


def labels(tmp_path: Path, text: str, *files: str) -> Manifest:
    for file in files:
        put(tmp_path / "images" / file)
    table = put(tmp_path / "labels.csv", text)
    return scan(tmp_path / "images", layout=Layout(labels=table))


class TestLabels:
    @pytest.mark.parametrize("delimiter", [",", ";", "\t"])
    @pytest.mark.parametrize("start", ["", "\ufeff"])
    def test_a_table_says_label_and_side(self, tmp_path: Path, delimiter: str, start: str) -> None:
        text = start + "Filename,Class,split\n1.jpg,ant,train\n./sub/2.jpg,bee,VALID\n3.jpg,bee,\n".replace(
            ",", delimiter
        )
        manifest = labels(tmp_path, text, "1.jpg", "sub/2.jpg", "3.jpg", "4.jpg")
        assert found(manifest) == {
            "1.jpg": ("ant", "train", ""),
            "sub/2.jpg": ("bee", "val", ""),
            "3.jpg": ("bee", None, ""),
        }
        assert manifest.classes == ("ant", "bee")
        assert reasons(manifest) == {"4.jpg": "no-label"}

    @pytest.mark.parametrize(("cell", "side"), [("dev", "val"), ("Eval", "val"), (" TESTING ", "test"), ("", None)])
    def test_any_usual_name_of_a_side(self, tmp_path: Path, cell: str, side: str | None) -> None:
        manifest = labels(tmp_path, f"file,label,split\n1.jpg,ant,{cell}\n2.jpg,bee,\n3.jpg,ant,\n", *ABC)
        assert found(manifest)["1.jpg"][1] == side

    @pytest.mark.parametrize("cell", ["holdout", "1", "left"])
    def test_a_cell_that_is_no_side_is_never_taken_for_a_image_to_train_on(self, tmp_path: Path, cell: str) -> None:
        with pytest.raises(
            DataError, match=rf"line 3: '{cell}' in the column 'Side' is not a side. Accepted are train, "
        ):
            labels(tmp_path, f"file,label,Side\n1.jpg,ant,train\n2.jpg,bee,{cell}\n", *ABC)

    @pytest.mark.parametrize(
        ("cells", "sides"),
        [
            (("train", "train", "test"), [None, None, "test"]),
            (("train", "train", "train"), [None, None, None]),
            (("train", "train", "val"), ["train", "train", "val"]),
            (("train", "train", ""), ["train", "train", None]),
        ],
    )
    def test_training_images_are_split_where_nothing_else_can_be_judged(
        self, tmp_path: Path, cells: tuple[str, str, str], sides: list[str | None]
    ) -> None:
        rows = zip(ABC, ("ant", "bee", "ant"), cells, strict=True)
        text = "file,label,split\n" + "".join(f"{','.join(row)}\n" for row in rows)
        manifest = labels(tmp_path, text, *ABC)
        assert [one.side for one in manifest.images] == sides

    def test_a_column_of_groups_may_be_called_split(self, tmp_path: Path) -> None:
        for file in ABC:
            put(tmp_path / "images" / file)
        table = put(tmp_path / "labels.csv", "file,label,split\n1.jpg,ant,a\n2.jpg,bee,b\n3.jpg,bee,\n")
        manifest = scan(tmp_path / "images", layout=Layout(labels=table, group_by="split"))
        assert [(one.side, one.group) for one in manifest.images] == [(None, "a"), (None, "b"), (None, "")]

    def test_names_with_commas_quotes_and_line_breaks(self, tmp_path: Path) -> None:
        names = ['a, "b".jpg', "new\nline.jpg"]
        text = 'file,label\n"a, ""b"".jpg",ant\n"new\nline.jpg",bee\n'
        assert set(found(labels(tmp_path, text, *names))) == set(names)

    def test_a_file_that_is_missing_or_stands_twice(self, tmp_path: Path) -> None:
        text = "file,label\n1.jpg,ant\n2.jpg,bee\n3.jpg,bee\n4.jpg,ant\n4.jpg,bee\n1.jpg,ant\n"
        manifest = labels(tmp_path, text, "1.jpg", "2.jpg", "4.jpg")
        assert set(found(manifest)) == {"1.jpg", "2.jpg"}
        assert reasons(manifest) == {"3.jpg": "unreadable", "4.jpg": "two-labels"}

    @pytest.mark.parametrize("file", ["../secret.jpg", "a/../../b.jpg"])
    def test_nothing_outside_of_the_folder(self, tmp_path: Path, file: str) -> None:
        put(tmp_path / "secret.jpg")
        with pytest.raises(DataError, match=rf"line 2: '{file}' in the column 'file' is outside .*/images\. "):
            labels(tmp_path, f"file,label\n{file},ant\n1.jpg,bee\n", "1.jpg")

    def test_a_whole_path_that_is_not_below_the_folder_is_not_read(self, tmp_path: Path) -> None:
        secret = put(tmp_path / "secret.jpg")
        manifest = labels(tmp_path, f"file,label\n{secret},ant\n1.jpg,bee\n2.jpg,ant\n", "1.jpg", "2.jpg")
        assert set(found(manifest)) == {"1.jpg", "2.jpg"}
        assert reasons(manifest) == {str(secret): "unreadable"}

    def test_whole_paths_below_the_folder_and_through_a_link_to_it(self, tmp_path: Path) -> None:
        (tmp_path / "link").symlink_to(tmp_path / "images")
        put(tmp_path / "images/1.jpg")
        put(tmp_path / "images/a/2.jpg")
        rows = f"file,label\n{tmp_path}/images/1.jpg,ant\n{tmp_path}/link/a/2.jpg,bee\n"
        table = put(tmp_path / "labels.csv", rows)
        assert set(found(scan(tmp_path / "link", layout=Layout(labels=table)))) == {"1.jpg", "a/2.jpg"}

    def test_separators_of_windows(self, tmp_path: Path) -> None:
        text = "file,label\na\\1.jpg,ant\nb\\2.jpg,bee\nb\\3.jpg,bee\n"
        manifest = labels(tmp_path, text, "a/1.jpg", "b\\2.jpg", "b/2.jpg")
        assert set(found(manifest)) == {"a/1.jpg", "b\\2.jpg"}
        assert reasons(manifest) == {"b/2.jpg": "no-label", "b\\3.jpg": "unreadable"}

    def test_the_table_itself_may_lie_in_the_folder(self, tmp_path: Path) -> None:
        for file in (*ABC, "other.csv"):
            put(tmp_path / "images" / file)
        table = put(tmp_path / "images/labels.csv", "file,label\n1.jpg,ant\n2.jpg,bee\n3.jpg,bee\n")
        manifest = scan(tmp_path / "images", layout=Layout(labels=table))
        assert reasons(manifest) == {"other.csv": "document"}

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("", "has no column that names the files: .* Its header is: empty"),
            ("name,label\n", "has no column that names the files: none is called file, .* Its header is: name, label"),
            (
                "file,side\n1.jpg,train\n",
                "has no column label .* nor any other to be learned",
            ),
            ("file,label\n", "has a header and no rows"),
            (b"file,label\n\xff\xfe.jpg,ant\n", "is not text in UTF-8"),
        ],
    )
    def test_no_table(self, tmp_path: Path, text: str, message: str) -> None:
        with pytest.raises(DataError, match=message):
            labels(tmp_path, text, "1.jpg")

    def test_rows_of_one_class_only_are_left(self, tmp_path: Path) -> None:
        text = "file,label\n1.jpg,ant\nx.jpg,bee\ny.jpg,bee\n"
        with pytest.raises(
            DataError,
            match=r"/images: at least two classes with usable images to train on are needed, found only 'ant'\. List "
            r"images of other classes in .*labels\.csv\. Not used: 2, such as x\.jpg: unreadable, no such file",
        ):
            labels(tmp_path, text, "1.jpg", "2.jpg", "3.jpg")

    def test_no_file(self, tmp_path: Path) -> None:
        with pytest.raises(UsageError, match=r"cannot read labels='.*none\.csv': No such file"):
            scan(tmp_path, layout=Layout(labels=tmp_path / "none.csv"))


def test_nested_folders_are_classes_by_their_paths(tmp_path: Path) -> None:
    for file in ("animals/cats/1.jpg", "animals/dogs/2.jpg", "plants/3.jpg", "plants/trees/oaks/4.jpg"):
        put(tmp_path / file)
    manifest = scan(tmp_path, layout=Layout(nested=True))
    assert {file: label for file, (label, _, _) in found(manifest).items()} == {
        "animals/cats/1.jpg": "animals/cats",
        "animals/dogs/2.jpg": "animals/dogs",
        "plants/3.jpg": "plants",
        "plants/trees/oaks/4.jpg": "plants/trees/oaks",
    }
    assert set(scan(tmp_path).classes) == {"animals", "plants"}


def test_nested_folders_below_sides(tmp_path: Path) -> None:
    for side in ("train", "val"):
        for label in ("animals/cats", "animals/dogs"):
            put(tmp_path / side / label / "1.jpg")
    manifest = scan(tmp_path, layout=Layout(nested=True))
    assert manifest.classes == ("animals/cats", "animals/dogs")
    assert [one.side for one in manifest.images] == ["train", "train", "val", "val"]


def test_what_lies_outside_of_all_nested_classes_is_named(tmp_path: Path) -> None:
    for side in ("train", "val"):
        for label in ("animals/cats", "animals/dogs"):
            put(tmp_path / side / label / "1.jpg")
    for file in ("loose.jpg", "train/loose.jpg", "backup/cats/1.jpg"):
        put(tmp_path / file)
    manifest = scan(tmp_path, layout=Layout(nested=True))
    assert [one.file for one in manifest.images] == [
        f"{side}/animals/{label}/1.jpg" for side in ("train", "val") for label in ("cats", "dogs")
    ]
    assert reasons(manifest) == dict.fromkeys(["loose.jpg", "train/loose.jpg", "backup/cats/1.jpg"], "no-class")
    assert reasons(scan(tmp_path / "train", layout=Layout(nested=True))) == {"loose.jpg": "no-class"}


class TestGroups:
    @pytest.mark.parametrize(("group_by", "expected"), [(r"video\d+", "video7"), (r"_(\d+)\.jpg", "3")])
    def test_by_an_expression(self, tmp_path: Path, group_by: str, expected: str) -> None:
        for file in ("ant/video7_3.jpg", "bee/other.jpg"):
            put(tmp_path / file)
        manifest = scan(tmp_path, layout=Layout(group_by=group_by))
        assert [one.group for one in manifest.images] == [expected, ""]

    def test_by_a_column(self, tmp_path: Path) -> None:
        put(tmp_path / "images/1.jpg")
        put(tmp_path / "images/2.jpg")
        table = put(tmp_path / "labels.csv", "file,label,patient\n1.jpg,ant,p1\n2.jpg,bee,\n")
        manifest = scan(tmp_path / "images", layout=Layout(labels=table, group_by="patient"))
        assert [one.group for one in manifest.images] == ["p1", ""]

    @pytest.mark.parametrize(
        ("group_by", "message"),
        [("(", "is neither a column of labels nor a regular"), ("zzz", "finds no group for any image")],
    )
    def test_no_groups(self, tmp_path: Path, group_by: str, message: str) -> None:
        for file in ("ant/1.jpg", "bee/2.jpg"):
            put(tmp_path / file)
        with pytest.raises(UsageError, match=message):
            scan(tmp_path, layout=Layout(group_by=group_by))
