"""What is learned from a table: how it is found out, and what is refused."""

import re
from pathlib import Path

import pytest

from convlens.core.errors import ConvlensError, DataError, UsageError
from convlens.core.kinds.kind import text_of
from convlens.core.settings import as_keywords
from convlens.core.task import TaskName
from convlens.data.label_table import LabelTable, read_labels
from convlens.data.table_columns import Asked
from tests.data.drawn import put


def read(
    tmp_path: Path, *lines: str, task: TaskName | None = None, columns: tuple[str, ...] = (), group: str = ""
) -> LabelTable:
    table = put(tmp_path / "labels.csv", "\n".join(lines) + "\n")
    for name in "123":
        put(tmp_path / name)
    return read_labels(table, tmp_path, task=task, asked=Asked(learned=columns, group=group))


@pytest.mark.parametrize(
    ("lines", "kind", "names", "labels"),
    [
        (["file,label", "1,cat", "2,dog"], "classification", ("cat", "dog"), ["cat", "dog"]),
        (["file,label", "1,7", "2,3"], "classification", ("3", "7"), ["7", "3"]),
        (["file,breed", "1,cat", "2,dog"], "classification", ("cat", "dog"), ["cat", "dog"]),
        (["file,label", "1,7.5", "2,3"], "regression", ("label",), ["7.5", "3.0"]),
        (["file,age", "1,70", "2,3"], "regression", ("age",), ["70.0", "3.0"]),
        (["file,age,height", "1,70,1.75", "2,-3,+2e-1"], "regression", ("age", "height"), ["70.0|1.75", "-3.0|0.2"]),
        (["file,cat,age", "1,1,30", "2,0,40"], "regression", ("cat", "age"), ["1.0|30.0", "0.0|40.0"]),
        (["file,dog,cat", "1,1,0", "2,1,1", "3,0,0"], "multilabel", ("cat", "dog"), ["dog", "cat|dog", ""]),
        (["file,dog,cat", "1,True,False", "2,TRUE,true"], "multilabel", ("cat", "dog"), ["dog", "cat|dog"]),
        (["file,furry", "1,1", "2,0"], "multilabel", ("furry",), ["furry", ""]),
        (["file,label", "1,1", "2,0"], "classification", ("0", "1"), ["1", "0"]),
        (["file,labels", "1,dog | cat", "2,bird"], "multilabel", ("bird", "cat", "dog"), ["cat|dog", "bird"]),
        (["file,tags", "1,dog;cat;dog", "2,bird;"], "multilabel", ("bird", "cat", "dog"), ["cat|dog", "bird"]),
        (["file,age,label,note", "1,70,cat,x", "2,3,dog,"], "classification", ("cat", "dog"), ["cat", "dog"]),
    ],
)
def test_what_the_columns_hold(tmp_path, lines, kind, names, labels) -> None:
    table = read(tmp_path, *lines)
    assert (table.kind.name, table.names, [text_of(one) for one in table.labels.values()]) == (kind, names, labels)


def test_what_was_asked_for_goes_before(tmp_path) -> None:
    numbers = read(tmp_path, "file,label", "1,7", "2,3", task="regression")
    assert (numbers.kind.name, numbers.names, numbers.labels["1"]) == ("regression", ("label",), ("7.0",))
    names = read(tmp_path, "file,age", "1,7", "2,x|y", task="classification")
    assert (names.kind.name, names.names) == ("classification", ("7", "x|y"))
    labels = read(tmp_path, "file,label", "1,cat", "2,", task="multilabel")
    assert (labels.kind.name, labels.names, labels.labels) == ("multilabel", ("cat",), {"1": ("cat",), "2": ()})


def test_columns_that_are_chosen(tmp_path) -> None:
    lines = ["file,label,age,height,video", "1,cat,30,1.5,a", "2,dog,40,1.75,b"]
    assert read(tmp_path, *lines, columns=("height", "age")).labels["2"] == ("1.75", "40.0")
    assert read(tmp_path, "file,age,video", "1,30,a", "2,40,b", group="video").names == ("age",)
    with pytest.raises(UsageError, match=r"unknown column of .*labels\.csv 'hieght': did you mean height\?"):
        read(tmp_path, *lines, columns=("hieght",))  # codespell:ignore


def test_a_file_that_stands_twice(tmp_path) -> None:
    table = read(tmp_path, "file,age", "1,30", "2,40", "1,30.0", "2,41")
    assert table.labels == {"1": ("30.0",), "2": ("40.0",)}
    assert table.conflicts == {"2": ("41.0",)}


@pytest.mark.parametrize(
    ("lines", "task", "message"),
    [
        (
            ["file,age", "1,30", "2,old"],
            None,
            "line 3: 'old' in the column 'age' is not a number, but others there are",
        ),
        (
            ["file,label", "1,cat", "2,7"],
            None,
            "line 2: 'cat' in the column 'label' is not a number.* task='class",
        ),
        (["file,age,coat", "1,30,cat", "2,4,dog"], None, "line 2: 'cat' in the column 'coat' .* label_columns"),
        (["file,dog,cat", "1,1,0", "2,2,1"], "multilabel", "line 3: '2' in the column 'dog' is neither 0 nor 1"),
        (["file,age", "1,30", "2,"], None, "line 3: a file or a label is missing in the column 'age'"),
        (["file,age,height", "1,30,2", "2,4"], None, "line 3: a file or a label is missing in the column 'height'"),
        (
            ["file,tags", "1,cat|dog", "2,"],
            None,
            "line 3: a file or a label is missing .*may have no label, set task='multilabel'",
        ),
        (["file,age", "1,30", "2,"], "regression", "line 3: a file or a label is missing .*, or remove the line\\.$"),
        (["file,age", ",30"], None, "line 2: a file or a label is missing in the column 'file'"),
        (
            ["file,age", "1,30", "2,NaN"],
            None,
            "line 3: a file or a label is missing in the column 'age', which holds 'NaN'",
        ),
        (["file,age", "1,30", "2,-inf"], None, "line 3: '-inf' in the column 'age' is not a finite number"),
        (["file,age", "1,30", "2,1e999"], None, "line 3: '1e999' in the column 'age' is not a finite number"),
        (["file;age", "1;30,5", "2;41,5"], None, "line 2: '30,5' in the column 'age' has a decimal comma"),
        (["file;age", "1;30", "2;41,5"], None, "line 3: '41,5' in the column 'age' has a decimal comma"),
        (["file,a|b,c", "1,1,0", "2,0,1"], None, r"the column 'a\|b' is the name of a label"),
        (["file,a,b", "1,red,0"], "classification", "one class per image needs one column, and there are 2: a, b"),
    ],
)
def test_tables_that_are_refused(tmp_path, lines, task, message) -> None:
    with pytest.raises(ConvlensError, match=message) as refused:
        read(tmp_path, *lines, task=task)
    assert isinstance(refused.value, UsageError if task == "classification" else DataError)


class TestSpellingsOfYesAndNo:
    @pytest.mark.parametrize("yes_no", ["1,0", "1.0,0.0", "True,False", "yes,no", "Y,N", "t,f", "x,", "X,", "1,"])
    def test_in_several_columns(self, tmp_path: Path, yes_no: str) -> None:
        yes, no = yes_no.split(",")
        table = read(tmp_path, "file,dog,cat", f"1,{yes},{no}", f"2,{yes},{yes}", f"3,{no},{yes}")
        assert (table.kind.name, list(table.labels.values())) == (
            "multilabel",
            [("dog",), ("cat", "dog"), ("cat",)],
        )

    def test_as_classes(self, tmp_path: Path) -> None:
        lines = ("file,dog,cat", "1,1.0,0.0", "2,0.0,1.0")
        asked = read(tmp_path, *lines, task="classification")
        assert (asked.names, list(asked.labels.values())) == (("cat", "dog"), [("dog",), ("cat",)])
        found = read(tmp_path, *lines)
        assert found.kind.name == "multilabel"
        assert [as_keywords(one) for one in found.notices] == [
            "each image has exactly one of the labels dog, cat; if it can have no more, set task='classification'"
        ]

    def test_one_column_of_it_is_a_label(self, tmp_path: Path) -> None:
        assert read(tmp_path, "file,furry", "1,1.0", "2,0.0").labels == {"1": ("furry",), "2": ()}
        assert read(tmp_path, "file,furry", "1,yes", "2,no", task="multilabel").labels == {"1": ("furry",), "2": ()}
        assert read(tmp_path, "file,furry", "1,yes", "2,no").names == ("no", "yes")

    def test_empty_cells_among_zeros_are_missing(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match="line 3: a file or a label is missing in the column 'cat'"):
            read(tmp_path, "file,dog,cat", "1,1,0", "2,0,")


class TestMissing:
    @pytest.mark.parametrize("cell", ["nan", "NaN", "NA", "N/A", "None", "null", "<NA>", ""])
    @pytest.mark.parametrize("others", [("cat", "dog"), ("1", "2"), ("1.5", "2.5")])
    def test_the_line_that_holds_it_is_named(self, tmp_path: Path, cell: str, others: tuple[str, str]) -> None:
        with pytest.raises(DataError, match=r"line 3: a file or a label is missing in the column 'label'") as refused:
            read(tmp_path, "file,label", f"1,{others[0]}", f"2,{cell}", f"3,{others[1]}")
        assert ("set task='classification'" in str(refused.value)) == bool(cell)
        assert "set task='multilabel'" in str(refused.value)

    def test_how_many_there_are(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match=r"line 2: .*, which holds 'NA' \(1 more below\)"):
            read(tmp_path, "file,label", "1,NA", "2,cat", "3,")

    def test_what_is_asked_for_decides(self, tmp_path: Path) -> None:
        lines = ("file,label", "1,None", "2,crack")
        classes = read(tmp_path, *lines, task="classification")
        assert classes.names == ("None", "crack")
        assert list(classes.notices) == ["'None' in the column 'label' is taken as the name of a class"]
        labels = read(tmp_path, *lines, task="multilabel")
        assert labels.labels == {"1": (), "2": ("crack",)}
        assert list(labels.notices) == ["'None' is taken for an image without any label"]
        with pytest.raises(DataError, match="line 2: a file or a label is missing"):
            read(tmp_path, *lines, task="regression")


class TestSpelling:
    def test_what_looks_the_same_is_one(self, tmp_path: Path) -> None:
        assert read(tmp_path, "file,label", "1,1", "2,1.0", "3,2").names == ("1", "2")
        assert read(tmp_path, "file,label", "1,caf\u00e9", "2,cafe\u0301", "3,b").names == ("b", "caf\u00e9")
        assert read(tmp_path, "file,label", "1,a\u00a0b", "2,a\u200b b", "3,a b").names == ("a b",)
        assert read(tmp_path, "file,tags", "1,t\u200bea|b", "2,tea", "3,tea").names == ("b", "tea")

    def test_a_table_that_agrees_with_itself_stays_as_it_is(self, tmp_path: Path) -> None:
        table = read(tmp_path, "file,label", "1,1.0", "2,2.0", "3,1.0")
        assert (table.names, table.notices) == (("1.0", "2.0"), ())

    @pytest.mark.parametrize("names", [("Cat", "cat"), ("big cat", "big_cat"), ("T-Shirt", "t shirt")])
    def test_what_is_nearly_the_same_is_asked(self, tmp_path: Path, names: tuple[str, str]) -> None:
        table = read(tmp_path, "file,label", f"1,{names[0]}", f"2,{names[1]}", "3,dog")
        assert len(table.names) == 3
        assert list(table.notices) == [
            f"{names[0]!r}, {names[1]!r} are 2 names in the table; if they are one, spell them alike"
        ]

    @pytest.mark.parametrize("names", [("-1", "1"), ("+", "-"), ("c", "c++"), ("a_2", "a2"), ("1", "10")])
    def test_what_is_not(self, tmp_path: Path, names: tuple[str, str]) -> None:
        table = read(tmp_path, "file,label", f"1,{names[0]}", f"2,{names[1]}")
        assert (set(table.names), table.notices) == ({*names}, ())


class TestLists:
    @pytest.mark.parametrize(
        "cells",
        [
            ("a|b", "a", "b | a"),
            ("a;b", "a", "b; a"),
            ('"a, b"', "a", '"b, a"'),
            ("a b", "a", "b a"),
            ("\"['a', 'b']\"", "\"['a']\"", "['b' 'a']"),
            ('"[a, b]"', "[a]", '"[b, a]"'),
        ],
    )
    def test_what_stands_between_labels(self, tmp_path: Path, cells: tuple[str, ...]) -> None:
        rows = [f"{number},{cell}" for number, cell in enumerate(cells, 1)]
        table = read(tmp_path, "file,tags", *rows, task="multilabel")
        assert list(table.labels.values()) == [("a", "b"), ("a",), ("a", "b")]

    def test_brackets_are_lists_without_being_asked_for(self, tmp_path: Path) -> None:
        assert read(tmp_path, "file,tags", "1,\"['a', 'b']\"", "2,['b']").kind.name == "multilabel"

    def test_names_of_two_words_stay_whole(self, tmp_path: Path) -> None:
        table = read(tmp_path, "file,tags", "1,hot dog", "2,ice cream", task="multilabel")
        assert (table.names, table.notices) == (("hot dog", "ice cream"), ())

    @pytest.mark.parametrize(
        ("column", "cells", "asked"),
        [
            ("label", ("a, b", "a", "c"), True),
            ("tags", ("a b", "a", "c"), True),
            ("label", ("big cat", "small cat", "cat"), False),
            ("label", ("Bern, city", "a", "b"), False),
        ],
    )
    def test_a_question_where_nothing_was_asked(
        self, tmp_path: Path, column: str, cells: tuple[str, ...], asked: bool
    ) -> None:
        rows = [f'{number},"{cell}"' for number, cell in enumerate(cells, 1)]
        table = read(tmp_path, f"file,{column}", *rows)
        assert table.kind.name == "classification"
        assert any("taken as one class each" in one for one in table.notices) == asked


class TestNumbersWithSigns:
    @pytest.mark.parametrize(
        ("cell", "sign"),
        [
            ("50%", "a percent sign"),
            ("50 %", "a percent sign"),
            ('"1,250"', "thousands separators"),
            ("1 250", "thousands separators"),
            ('"1.250,5"', "thousands separators"),
            ("30 cm", "the unit 'cm'"),
            ("30kg", "the unit 'kg'"),
            ("$5", "the unit '$'"),
            ("5 \N{EURO SIGN}", "the unit '\N{EURO SIGN}'"),
        ],
    )
    def test_they_are_explained(self, tmp_path: Path, cell: str, sign: str) -> None:
        message = re.escape(f"in the column 'size' is a number with {sign}. Write numbers alone")
        for task in (None, "regression"):
            with pytest.raises(DataError, match=message):
                read(tmp_path, "file,size", f"1,{cell}", f"2,{cell}", task=task)
        with pytest.raises(DataError, match=f"line 3: .*{message}"):
            read(tmp_path, "file,size", "1,7", f"2,{cell}")
        assert (
            read(tmp_path, "file,size", f"1,{cell}", f"2,{cell}", task="classification").kind.name == "classification"
        )

    def test_classes_with_units_are_asked(self, tmp_path: Path) -> None:
        table = read(tmp_path, "file,label", "1,50 mg", "2,100 mg")
        assert table.names == ("100 mg", "50 mg")
        assert "for numbers, write them without units and set task='regression'" in as_keywords(table.notices[0])
