"""Heads, stages and views in whole runs: what is written can be read again, and frozen stays frozen."""

import csv

import pytest
import torch

from convlens.core.errors import UsageError
from convlens.pipeline.trained import load_run
from convlens.runs import writer
from convlens.tasks.inspect import inspect
from convlens.tasks.predict import predict
from convlens.tasks.train import train
from tests.images import TINY_HOUSE, draw_images


@pytest.fixture(autouse=True)
def short_report(monkeypatch):
    monkeypatch.setattr(writer, "write_run_report", lambda run: (run / "report.html").write_text("</html>"))


@pytest.fixture
def images(tmp_path):
    return draw_images(tmp_path / "images")


def probabilities(run):
    with (run / "predictions.csv").open() as file:
        return {row["file"]: float(row["p(blue)"]) for row in csv.DictReader(file)}


@pytest.mark.parametrize(
    "options",
    [
        {"head": "hidden", "head_width": 7, "dropout": 0.3, "batch_norm": True},
        {"dropout": 0.5},
        {"batch_norm": True, "augmented_copies": 2, "optimizer": "adamw"},
        {"head": "ridge"},
        {"head": "logistic"},
        {"unfreeze": 1, "head_epochs": 2, "class_weights": True, "early_stopping": 5, "schedule": "step"},
        {"freeze": "none", "head": "hidden", "progressive_resizing": 0.5, "head_epochs": 1},
    ],
)
def test_a_run_is_judged_as_it_predicts(images, tmp_path, options):
    record = train(images, out=tmp_path / "run", **{**TINY_HOUSE, "precision": "fp32", **options})
    assert record.freeze.frozen_unchanged
    told = predict(tmp_path / "run", images)
    judged = probabilities(tmp_path / "run")
    found = {one.file: one.probabilities["blue"] for one in told.predictions}
    for file, probability in judged.items():
        (path,) = (path for path in found if path.endswith(file))
        assert found[path] == pytest.approx(probability, abs=2e-5)


def test_the_bundle_tells_of_its_head(images, tmp_path):
    train(images, out=tmp_path / "run", head="hidden", head_width=5, dropout=0.25, **TINY_HOUSE)
    bundle, module = load_run(tmp_path / "run")
    assert (bundle.head.hidden, bundle.head.dropout, bundle.head.batch_norm) == (5, 0.25, False)
    kinds = [type(layer) for layer in module.get_submodule("fc")]
    assert kinds == [torch.nn.Linear, torch.nn.ReLU, torch.nn.Dropout, torch.nn.Linear]


def test_own_head_retrains_the_fully_connected_layers(images, tmp_path):
    record = train(images, head="own", out=tmp_path / "run", **{**TINY_HOUSE, "backbone": "alexnet", "size": 64})
    assert record.freeze.plan == "conv"
    assert record.freeze.trained_parameters > 50_000_000


def test_head_epochs_come_first(images, tmp_path):
    lines = []
    train(images, out=tmp_path / "run", unfreeze=1, head_epochs=3, schedule="constant", **TINY_HOUSE)
    lines = (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()
    assert [line.split(",")[0] for line in lines] == [f'{{"epoch":{n}' for n in range(1, 6)]


def test_an_inspection_marks_what_the_run_trained(images, tmp_path):
    run = train(images, out=tmp_path / "run", unfreeze=1, **TINY_HOUSE)
    lines = inspect(str(tmp_path / "run"), depth=9).modules
    assert sum(line.parameters for line in lines if line.state == "trained") == run.freeze.trained_parameters
    (head,) = (line for line in inspect(str(tmp_path / "run"), freeze="backbone").modules if line.state == "trained")
    assert head.parameters < run.freeze.trained_parameters


def test_views_are_computed_once_for_each_training_image(images, tmp_path):
    seen = []

    class Counting:
        def __init__(self, stage, total):
            seen.append((stage, total))

        def __enter__(self):
            return lambda steps, note="": None

        def __exit__(self, *error):
            return None

    options = {**TINY_HOUSE, "progress": Counting, "augmented_copies": 3}
    record = train(images, out=tmp_path / "one", **options)
    assert ("views", 3 * record.images.train) in seen
    seen.clear()
    train(images, out=tmp_path / "two", **options)
    assert "views" not in {stage for stage, _ in seen}
    one, two = ((tmp_path / name / "model.safetensors").read_bytes() for name in ("one", "two"))
    assert one == two
    plain = train(images, out=tmp_path / "plain", **{**options, "augmented_copies": 0})
    assert plain.validation.images == record.validation.images
    assert (tmp_path / "plain" / "model.safetensors").read_bytes() != one


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"head": "ridge", "freeze": "layer3"}, "head='ridge' solves for one linear layer"),
        ({"head": "logistic", "weight_decay": 0.0}, "needs a weight_decay above 0"),
        ({"head": "own", "unfreeze": 1}, "head='own' retrains"),
        ({"head_epochs": 2}, "those are all frozen"),
        ({"freeze": "none", "augmented_copies": 2}, "Leave augmented_copies out"),
        ({"unfreeze": 40}, "unfreeze=40 leaves nothing frozen"),
        ({"backbone": "squeezenet1_1", "dropout": 0.5, "size": 64}, "go with a linear head"),
        ({"optimizer": "adm"}, "optimizer='adm'"),
    ],
)
def test_what_does_not_go_together_is_refused(images, tmp_path, options, told):
    with pytest.raises(UsageError, match=told):
        train(images, out=tmp_path / "run", **{**TINY_HOUSE, **options})
    assert not (tmp_path / "run").exists()


def test_a_runs_recipe_trains_the_same_again(images, tmp_path):
    train(images, out=tmp_path / "one", momentum=0.5, **TINY_HOUSE)
    train(images, tmp_path / "one" / "recipe.toml", out=tmp_path / "two")
    other = train(images, tmp_path / "one" / "recipe.toml", out=tmp_path / "other", momentum=0.0)
    one, two = ((tmp_path / name / "model.safetensors").read_bytes() for name in ("one", "two"))
    assert one == two
    assert other.recipe["momentum"] == 0.0
    with pytest.raises(UsageError, match=r"cannot read the recipe .*none\.toml"):
        train(images, tmp_path / "none.toml")
