"""A training that was stopped goes on from another folder, and only from what it was begun with."""

import contextlib
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from convlens.core.errors import DataError, MachineError
from convlens.core.progress import Advance
from convlens.runs import writer
from convlens.runs.run_directory import Begun
from convlens.tasks.train import resume, train
from convlens.zoo import network
from tests.images import TINY_HOUSE, draw_images


@pytest.fixture(autouse=True)
def short_report(monkeypatch: pytest.MonkeyPatch) -> None:
    """Drawing the report takes as long as all the rest of a tiny run, and has tests of its own."""
    monkeypatch.setattr(writer, "write_run_report", lambda run: (run / "report.html").write_text("</html>"))


@contextlib.contextmanager
def until_the_second_epoch(stage: str, total: int) -> Iterator[Advance]:
    """A progress in which somebody stops the training."""

    def advance(steps: int, note: str = "") -> None:
        if note.startswith("epoch 2"):
            raise KeyboardInterrupt

    yield advance


def stopped(images: Path, run: str | Path, **options: object) -> None:
    """A run with checkpoints, which ended in its second epoch."""
    given = {**TINY_HOUSE, "checkpoint_minutes": 0, **options}
    with pytest.raises(KeyboardInterrupt):
        train(images, out=run, progress=until_the_second_epoch, **given)  # type: ignore[arg-type]


def weights_file(path: Path, seed: int) -> Path:
    torch.manual_seed(seed)
    torch.save(network("house", classes=5).state_dict(), path)
    return path


@pytest.fixture
def begun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run that was begun in one folder, with a file of weights there; it is looked at from another one."""
    images = draw_images(tmp_path / "there" / "images")
    weights_file(tmp_path / "there" / "own.pth", seed=1)
    monkeypatch.chdir(tmp_path / "there")
    stopped(images, tmp_path / "run", weights="own.pth")
    monkeypatch.chdir(tmp_path)
    return tmp_path / "run"


def test_its_file_of_weights_is_found_from_another_folder(begun: Path) -> None:
    record = resume(begun)
    file = begun.parent / "there" / "own.pth"
    assert record.recipe["weights"] == str(file)
    assert shlex.split(record.command)[shlex.split(record.command).index("--weights") + 1] == str(file)


def test_other_weights_under_the_same_name_are_refused(begun: Path) -> None:
    """The frozen layers would be others than those under which the head in the checkpoint was trained."""
    weights_file(begun.parent / "there" / "own.pth", seed=2)
    with pytest.raises(DataError, match="belongs to another training"):
        resume(begun)


@pytest.mark.skipif(torch.cuda.is_available(), reason="for machines without a GPU")
def test_a_run_of_a_gpu_on_a_machine_without_one(begun: Path) -> None:
    file = begun.with_name("run.unfinished") / "begun.json"
    told = Begun.from_json(file.read_bytes(), str(file))
    file.write_text(told.model_copy(update={"recipe": told.recipe.model_copy(update={"device": "cuda"})}).to_json())
    with pytest.raises(MachineError, match=r"run was started on a GPU, and torch finds none .* another out"):
        resume(begun)
    assert list(file.parent.glob("checkpoints/step-*"))
