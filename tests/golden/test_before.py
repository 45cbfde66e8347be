"""What a version before has left is read by this one: runs, recipes, checkpoints and stored features."""

import csv
import json
import shutil
from pathlib import Path

import pytest
import torch

import convlens
from convlens.core.run import METRICS_FILE
from convlens.runs import writer
from convlens.tasks.train import resume, train
from convlens.zoo import registry
from tests.golden.tiny import NAME, tiny

RUNS = ("classification", "multilabel", "regression")


@pytest.fixture
def before(tmp_path, monkeypatch):
    """A copy of the folder at its new place, with its store as the cache."""
    folder = tmp_path / "before"
    shutil.copytree(Path(__file__).with_name("before"), folder)
    for path in (*folder.rglob("*.json"), *folder.rglob("*.toml")):
        path.write_text(path.read_text().replace("BEFORE", str(folder)))
    monkeypatch.setenv("CONVLENS_CACHE", str(folder / "cache"))
    monkeypatch.setattr(registry, "_ADOPTED", {})
    monkeypatch.setattr(writer, "write_run_report", lambda run: (run / "report.html").write_text("</html>"))
    convlens.adopt(tiny(), NAME)
    return folder


def metrics(folder):
    lines = [json.loads(line) for line in (folder / METRICS_FILE).read_text().splitlines()]
    return [(line["train_loss"], line["val_loss"]) for line in lines]


@pytest.mark.parametrize("name", RUNS)
def test_a_run_still_predicts(before, name):
    table = list(csv.DictReader((before / name / "predictions.csv").read_text().splitlines()))
    files = [before / "images" / line["file"] for line in table]
    for line, said in zip(table, convlens.predict(before / name, *files).predictions, strict=True):
        values = said.probabilities or said.numbers
        expected = [float(line.get(f"p({key})") or line[f"predicted {key}"]) for key in values]
        assert list(values.values()) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("name", RUNS)
def test_a_recipe_trains_the_same_and_computes_nothing(before, name):
    record = train(before / "images", before / name / "recipe.toml", out=before / "again")
    assert (record.features.computed, record.features.decoded, record.features.reused) == (0, 0, 12)
    assert metrics(before / "again") == [pytest.approx(losses, rel=1e-4) for losses in metrics(before / name)]


def test_a_training_that_was_broken_off_goes_on(before):
    """Epochs that were finished keep even the seconds that they took. Checkpoints are for one version of torch."""
    course = before / "begun.unfinished" / "checkpoints" / "step-0000000002-epoch-00002" / "course.json"
    finished = json.loads(course.read_text())["history"]
    if torch.__version__ != "2.13.0+cpu":
        pytest.skip("the checkpoint was made by torch 2.13.0+cpu")
    resume(before / "begun")
    lines = [json.loads(line) for line in (before / "begun" / METRICS_FILE).read_text().splitlines()]
    assert len(lines) == 4
    assert lines[:2] == finished


@pytest.mark.parametrize("name", RUNS)
def test_records_are_read(before, name):
    assert convlens.inspect(str(before / name)).name == str(before / name)
