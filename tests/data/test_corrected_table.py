"""Corrected tables come back as they were written, whatever classes are called."""

from pathlib import Path

import pytest

from convlens.core.errors import ConvlensError
from convlens.core.task import TaskName
from convlens.data.corrected_table import LabelRows, are_ambiguous
from convlens.data.label_table import read_labels
from convlens.data.manifest import ImageFile, Side


def images(classes: list[str], sides: tuple[Side | None, ...] = (None,)) -> list[ImageFile]:
    return [
        ImageFile(
            path=Path(f"{n}.png"),
            file=f"{n}.png",
            labels=(name,),
            side=sides[n % len(sides)],
            sha256=str(n),
            bytes=1,
            group=f"video{n // 2}",
        )
        for n, name in enumerate(classes * 3)
    ]


def read(folder: Path, rows: LabelRows, task: TaskName | None = None) -> dict[str, str] | None:
    """The classes by file; None where the table is taken for something else."""
    for file, *_ in rows.rows:
        (folder / file).touch()
    (folder / "labels.csv").write_text(rows.to_csv(), encoding="utf-8", newline="")
    try:
        table = read_labels(folder / "labels.csv", folder, task=task)
    except ConvlensError:
        return None
    return {file: label for file, (label,) in table.labels.items()} if table.kind.exclusive else None


@pytest.mark.parametrize(
    ("classes", "ambiguous"),
    [
        (["ants", "bees"], False),
        (["1", "2", "10"], False),
        (['deep, "blue"\nsea', "<script>alert(1)</script>", "=1+1"], False),
        (["0.5", "1.0"], True),
        (["cat|dog", "cat", "dog"], True),
    ],
)
def test_classes_that_look_like_something_else_are_told(tmp_path: Path, classes: list[str], ambiguous: bool) -> None:
    rows = LabelRows.of(images(classes))
    given = dict(rows.rows)
    assert are_ambiguous(classes) == ambiguous
    assert (read(tmp_path, rows) != given) == ambiguous
    assert read(tmp_path, rows, "classification") == given


def test_a_class_that_is_called_like_a_missing_cell_is_told() -> None:
    assert are_ambiguous(["NA", "EU"])


def test_sides_and_groups_stand_in_the_table(tmp_path: Path) -> None:
    listed = images(["ants", "bees"], ("train", "test"))
    rows = LabelRows.of(listed, "video").with_labels({"0.png": "bees"})
    assert rows.columns == ("file", "label", "split", "video")
    assert rows.rows[0] == ("0.png", "bees", "train", "video0")
    table = rows.to_csv()
    for file in listed:
        (tmp_path / file.file).touch()
    (tmp_path / "labels.csv").write_text(table, encoding="utf-8", newline="")
    found = read_labels(tmp_path / "labels.csv", tmp_path)
    assert found.labels["0.png"] == ("bees",)
    assert {one.file: one.side for one in listed} == found.sides
