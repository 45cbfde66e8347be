"""The run folder: whole or absent, never written over."""

import os

import pytest

from convlens.core.errors import MachineError, UsageError
from convlens.runs import run_directory, writer
from convlens.tasks.train import train
from convlens.training.recipe import Recipe
from tests.images import TINY_HOUSE, draw_images
from tests.runs.whole import temporaries


@pytest.fixture
def images(tmp_path):
    return draw_images(tmp_path / "images")


def test_names_tell_time_and_subject(tmp_path, monkeypatch):
    monkeypatch.setattr(run_directory.time, "strftime", lambda form: "20261231-235959")
    first = run_directory.unused_run_name(tmp_path, "my cats/dogs-house")
    assert first == tmp_path / "20261231-235959-my-cats-dogs-house"
    first.mkdir()
    assert run_directory.unused_run_name(tmp_path, "my cats/dogs-house").name == f"{first.name}-2"


def test_run_folder_that_exists_is_refused(tmp_path):
    with (
        pytest.raises(UsageError, match=r"already exists, and runs are never overwritten\. Give another name"),
        run_directory.reserved_run_directory(tmp_path, tmp_path, Recipe()),
    ):
        pytest.fail("reserved")


def test_only_folders_of_unfinished_runs_are_ever_removed(images, tmp_path):
    """Others may end so, too: a person's own, old ones beside the place of a new run."""
    chapter = tmp_path / "thesis.unfinished" / "chapter1.txt"
    chapter.parent.mkdir()
    chapter.write_text("It was a dark night.")
    (tmp_path / "notes.unfinished").write_text("Buy milk.")
    left = tmp_path / "killed.unfinished"
    left.mkdir()
    (left / "begun.json").write_text("{}")
    for path in (chapter.parent, tmp_path / "notes.unfinished", left):
        os.utime(path, (0, 0))
    train(images, out=tmp_path / "run", **TINY_HOUSE)
    assert not left.exists()
    for name in ("thesis", "notes"):
        with pytest.raises(UsageError, match=rf"{name}\.unfinished already exists and is not an unfinished run"):
            train(images, out=tmp_path / name, **TINY_HOUSE)
    assert chapter.read_text() == "It was a dark night."
    assert (tmp_path / "notes.unfinished").read_text() == "Buy milk."


def test_a_failure_leaves_nothing_half_written(images, tmp_path, monkeypatch):
    def fail(folder):
        raise MachineError("the disk is full")

    monkeypatch.setattr(writer, "write_run_report", fail)
    with pytest.raises(MachineError):
        train(images, out=tmp_path / "run", **TINY_HOUSE)
    assert temporaries(tmp_path) == []


def test_two_runs_that_chose_the_same_name_are_both_kept(images, tmp_path, monkeypatch):
    """They begin within one second, before either folder is there."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(run_directory.time, "strftime", lambda form: "20261231-235959")
    write = writer.write_run_report

    def other_run_is_faster(folder):
        monkeypatch.setattr(writer, "write_run_report", write)
        train(images, **TINY_HOUSE)
        return write(folder)

    monkeypatch.setattr(writer, "write_run_report", other_run_is_faster)
    record = train(images, **TINY_HOUSE)
    assert len(list((tmp_path / "runs").iterdir())) == 2
    assert (tmp_path / record.run / "run.json").is_file()


def test_place_that_cannot_be_written_is_noticed_before_the_work(images, tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setattr("convlens.tasks.train.scan", lambda *arguments: pytest.fail("the work began"))
    with pytest.raises(MachineError, match="no access to"):
        train(images, out=tmp_path / "file" / "run", **TINY_HOUSE)
