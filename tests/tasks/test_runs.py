"""Runs in a list, the best of them, and what two of them differ in."""

import shutil
from pathlib import Path

import pytest

from convlens.core.errors import UsageError
from convlens.core.run import RunRecord
from convlens.tasks.runs import diff_runs, list_runs
from convlens.tasks.train import train
from tests.data.drawn import put
from tests.images import TINY_HOUSE, draw_images


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, module_cache: object) -> Path:
    """Two runs that differ in the seed of the split and the epochs."""
    folder = tmp_path_factory.mktemp("made")
    images = draw_images(folder / "images")
    train(images, out=folder / "runs" / "one", **TINY_HOUSE)
    train(images, out=folder / "runs" / "two", **{**TINY_HOUSE, "epochs": 3, "seed": 1})
    return folder


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made / "runs", tmp_path / "runs"))


def change(run: Path, **fields: object) -> None:
    record = RunRecord.from_json((run / "run.json").read_bytes(), "run.json")
    put(run / "run.json", record.model_copy(update=fields).to_json())


def test_a_run_is_summed_up(folder, made):
    record = list_runs(folder)
    one = record.runs[0]
    assert [Path(run.run).name for run in record.runs] == ["one", "two"]
    assert (one.backbone, one.task, one.classes) == ("house", "classification", ["blue", "green"])
    assert (one.images.train, one.images.val) == (12, 4)
    assert (one.folder, one.score_name) == (str(made / "images"), "accuracy")
    assert one.bytes == sum(path.stat().st_size for path in (folder / "one").rglob("*") if path.is_file())


def test_the_newest_is_last(folder):
    change(folder / "one", created="2999-01-01T00:00:00+00:00")
    assert [Path(run.run).name for run in list_runs(folder).runs] == ["two", "one"]


def test_the_best_has_the_highest_score(folder):
    for name, accuracy in (("one", 0.75), ("two", 0.5)):
        record = RunRecord.from_json((folder / name / "run.json").read_bytes(), "run.json")
        change(folder / name, validation=record.validation.model_copy(update={"accuracy": accuracy}))
    assert list_runs(folder).best == str(folder / "one")


def test_scores_on_other_images_are_not_compared(folder, made):
    change(folder / "two", folder=str(made / "others"))
    record = list_runs(folder)
    assert record.best is None
    assert "2 folders of images" in record.incomparable
    chosen = list_runs(folder, data=made / "others")
    assert [Path(run.run).name for run in chosen.runs] == ["two"]
    assert chosen.best == str(folder / "two")


def test_scores_of_other_classes_are_not_compared(folder):
    change(folder / "two", classes=["blue", "red"])
    assert "different classes" in list_runs(folder).incomparable


def test_damaged_and_unfinished_runs_do_not_hide_the_others(folder):
    put(folder / "two" / "run.json", "{}")
    (folder / "three.unfinished").mkdir()
    record = list_runs(folder)
    assert [Path(run.run).name for run in record.runs] == ["one"]
    assert [bad.file for bad in record.unreadable] == ["two"]


def test_no_runs(tmp_path):
    assert list_runs(tmp_path).runs == []
    with pytest.raises(UsageError, match="no such folder"):
        list_runs(tmp_path / "none")


def test_the_difference_of_two_runs(folder):
    found = diff_runs(folder / "one", folder / "two")
    assert {one.field: (one.first, one.second) for one in found.recipe} == {"epochs": ("2", "3"), "seed": ("0", "1")}
    assert found.data == found.made_with == []
    assert 0 <= found.common_validation_images < 4  # another seed, another split
    assert diff_runs(folder / "one", folder / "one").common_validation_images == 4


def test_other_data_and_versions_are_differences(folder, made):
    record = RunRecord.from_json((folder / "two" / "run.json").read_bytes(), "run.json")
    versions = record.versions.model_copy(update={"torch": "9.9"})
    change(folder / "two", folder=str(made / "others"), versions=versions)
    found = diff_runs(folder / "one", folder / "two")
    assert [one.field for one in found.data] == ["folder"]
    assert [(one.field, one.second) for one in found.made_with] == [("torch", "9.9")]


def test_what_is_not_a_run(folder):
    with pytest.raises(UsageError, match="not a finished run"):
        diff_runs(folder / "one", folder)


class TestCommandLine:
    def test_the_list(self, convlens, folder):
        outcome = convlens("runs", folder)
        assert outcome.code == 0
        lines = outcome.out.splitlines()
        assert lines[0].split() == ["run", "created", "images", "network", "score", "size"]
        assert len(lines) == 3
        assert sum("← best" in line for line in lines) == 1

    def test_the_best_alone_for_a_shell(self, convlens, folder):
        assert convlens("runs", folder, "--best").out.strip() == list_runs(folder).best

    def test_no_best_one(self, convlens, folder):
        change(folder / "two", folder="/elsewhere")
        outcome = convlens("runs", folder, "--best")
        assert (outcome.code, outcome.out) == (2, "")
        assert "--data DIR" in outcome.err

    def test_the_difference(self, convlens, folder):
        outcome = convlens("runs", "--diff", folder / "one", folder / "two")
        assert "  epochs: 2 → 3" in outcome.out
        assert "data: the same" in outcome.out
