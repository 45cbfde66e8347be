"""What is learned from a table: how it is found out, and what is refused."""

from pathlib import Path

import pytest

from convlens.core.errors import ConvlensError, DataError, UsageError
from convlens.core.kinds.kind import text_of
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
