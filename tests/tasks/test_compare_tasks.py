"""Comparisons where an image has several labels, or numbers: what is compared, and what stays out."""

import json
import re
from pathlib import Path

import pytest

from convlens.comparison import shared_training
from convlens.core.comparison import Comparison
from convlens.core.errors import DataError, UsageError
from convlens.core.kinds.multilabel import MultilabelEvaluation
from convlens.core.kinds.regression import RegressionEvaluation
from convlens.core.run import RunRecord
from convlens.runs import writer
from convlens.tasks.compare import compare
from convlens.tasks.train import train
from convlens.training.recipe import Recipe
from tests.data.drawn import put
from tests.images import draw
from tests.report.page import VOID, parsed

SMALL = {"backbone": "house", "size": 32, "epochs": 4, "precision": "fp32"}
COUNT = 40


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Images whose redness and greenness are drawn from their number, and tables of that; the last ten to validate."""
    folder = tmp_path_factory.mktemp("compared")
    (folder / "p").mkdir()
    red, green = (lambda n: 20 + (53 * n) % 200), (lambda n: 20 + (37 * n) % 200)
    for n in range(COUNT):
        draw(folder / "p" / f"{n:02d}.png", (red(n), green(n), 60), seed=str(n))
    side = ["train"] * (COUNT - 10) + ["val"] * 10
    tables = {
        "numbers": [f"{1900 + red(n) / 2},{green(n) / 1000}" for n in range(COUNT)],
        "labels": [f"{int(red(n) > 120)},{int(green(n) > 120)}" for n in range(COUNT)],
    }
    for name, rows in tables.items():
        columns = "file,side,red,green" if name == "labels" else "file,side,year,shade"
        put(folder / f"{name}.csv", "\n".join([columns, *(f"{n:02d}.png,{side[n]},{rows[n]}" for n in range(COUNT))]))
        columns = columns.replace("side,", "")
        put(folder / f"{name}-all.csv", "\n".join([columns, *(f"{n:02d}.png,{rows[n]}" for n in range(COUNT))]))
    return folder


def compared(images: Path, table: str, out: Path, **options: object) -> Comparison:
    return compare(images / "p", labels=str(images / f"{table}.csv"), out=out, **{**SMALL, "seeds": 2, **options})


def trained_alone(images: Path, row, out: Path) -> RunRecord:
    """The run of `convlens train` with a row's recipe and the second seed."""
    return train(images / "p", Recipe.of(**{**row.recipe, "seed": 1}), out=out)


def measured(record: RunRecord) -> float:
    """What a comparison says of the run, from the run's own evaluation."""
    found = record.validation
    if isinstance(found, MultilabelEvaluation):
        return found.exact_match
    assert isinstance(found, RegressionEvaluation)
    assert found.r2 is not None
    return 1 - found.r2


@pytest.mark.parametrize(("table", "task"), [("labels", "multilabel"), ("numbers", "regression")])
def test_the_value_of_a_run_is_that_of_the_run_alone(images, tmp_path, monkeypatch, table, task):
    """Of heads that train at once, one that trains alone, and one with more layers."""
    monkeypatch.setattr(writer, "write_run_report", lambda run: None)
    record = compared(images, table, tmp_path / "c", tricks=["momentum", "dropout", "unfreeze"])
    assert record.task == task
    for row in record.rows:
        run = trained_alone(images, row, tmp_path / row.name)
        assert row.runs[1].value == pytest.approx(measured(run), rel=1e-4)
        assert row.runs[1].val_loss == pytest.approx(run.validation.loss, rel=1e-4)
        assert row.value == pytest.approx(sum(one.value for one in row.runs) / 2)
        assert row.interval[0] <= row.value <= row.interval[1]
    base, *others = record.rows
    for row in others:
        assert row.difference == pytest.approx(row.value - base.value)
        assert row.difference_interval[0] <= row.difference <= row.difference_interval[1]
    assert len({row.val_loss for row in record.rows}) == 5


@pytest.mark.parametrize("table", ["labels", "numbers"])
def test_heads_train_at_once(images, tmp_path, monkeypatch, table):
    monkeypatch.setattr(shared_training, "in_stages", lambda *_: pytest.fail("a head was trained alone"))
    record = compared(images, table, tmp_path / "c", tricks=["adam", "ema", "momentum", "cosine"])
    assert [row.name for row in record.rows] == ["base", "adam", "ema", "momentum", "cosine", "together"]


def test_records_of_labels(images, tmp_path):
    record = compared(images, "labels", tmp_path / "c", tricks=["label-smoothing", "class-weights"], epochs=20)
    written = (tmp_path / "c" / "comparison.json").read_text()
    assert Comparison.from_json(written, "c") == record
    assert (record.task, record.classes, record.left_out) == ("multilabel", ["green", "red"], [])
    base = record.rows[0]
    assert base.value == base.accuracy == json.loads(written)["rows"][0]["value"]
    assert (
        base.sentence == f"The base: all labels are correct on {base.value:.1%} of the validation images, over 2 runs."
    )
    assert base.value > 0.4  # of two labels a guess has a quarter right


def test_records_of_numbers(images, tmp_path):
    record = compared(images, "numbers", tmp_path / "c", tricks=["nesterov"], seeds=1, epochs=10, learning_rate=0.003)
    assert Comparison.from_json((tmp_path / "c" / "comparison.json").read_text(), "c") == record
    assert (record.task, record.classes) == ("regression", ["year", "shade"])
    base, better = record.rows
    assert base.accuracy is better.accuracy is None
    assert base.recipe["clip"] == 1  # as `train` limits the gradient of numbers
    # Longer steps get farther in few epochs: the error falls, which is better.
    assert better.value < base.value < 1.1
    assert better.difference < 0
    assert (better.verdict, record.best) == ("helps", "nesterov")
    assert record.best_because == "It has the lowest squared error of the recipes that help."
    assert Recipe.from_toml((tmp_path / "c" / "best.toml").read_text()).nesterov


def test_tricks_that_make_no_sense_for_numbers_are_left_out_and_named(images, tmp_path):
    record = compared(images, "numbers", tmp_path / "c", tricks=["label-smoothing", "ema", "class-weights"], seeds=1)
    assert [row.name for row in record.rows] == ["base", "ema"]
    assert record.left_out == [
        "label-smoothing: it does not apply to numbers",
        "class-weights: it does not apply to numbers",
    ]
    assert "--tricks ema " in record.command


def test_the_default_tricks_suit_numbers(images, tmp_path):
    record = compared(images, "numbers", tmp_path / "c", seeds=1, epochs=1)
    assert "label-smoothing" not in {row.name for row in record.rows}
    assert len(record.rows) == 9


def test_other_backbones_are_compared(images, tmp_path):
    record = compared(images, "numbers", tmp_path / "c", seeds=1, epochs=1, backbones=["efficientnet_lite0"])
    assert [row.name for row in record.rows] == ["base", "efficientnet_lite0"]


def test_errors_of_folds_are_in_one_unit(images, tmp_path):
    """The variance of all images that are validated: of two images it may be next to nothing."""
    record = compared(images, "numbers-all", tmp_path / "c", tricks=[], seeds=1, folds=10, learning_rate=1e-5)
    assert len(record.rows[0].runs) == 10
    assert 0.5 < record.rows[0].value < 3  # an untrained head is about as good as the mean, in every fold
    assert max(run.value for run in record.rows[0].runs) < 10


@pytest.mark.parametrize(
    ("table", "charts"), [("labels", ["loss", "accuracy", "training"]), ("numbers", ["loss", "training"])]
)
def test_the_page(images, tmp_path, monkeypatch, table, charts):
    monkeypatch.setattr("tests.report.page.VOID", VOID | {"input"})
    options = {"tricks": ["momentum"], "seeds": 1, "fractions": [0.5, 1], "lr_find": True}
    record = compared(images, table, tmp_path / "c", **options)
    page = parsed(tmp_path / "c" / "comparison.html")
    drawn = {match[1] for one in page.all("g") if (match := re.match(r"(\w+)-line0$", one.attributes.get("id", "")))}
    assert drawn == set(charts)
    for row in record.rows:
        assert row.sentence in page.text
    for told in {
        "labels": ["exact match", "2 labels", "Exact match against the time of training", "against the base, points"],
        "numbers": ["squared error", "2 numbers", "Squared error against the time of training", "Lower is better"],
    }[table]:
        assert told in page.text.replace("\u00a0", " ")
    part = 15 if table == "numbers" else 16  # half of each label, rounded
    assert [point.images for point in record.fractions] == [part, 30]


def test_what_cannot_be_measured_is_refused_before_any_training(images, tmp_path, monkeypatch):
    monkeypatch.setattr(shared_training.SharedTraining, "run", lambda *_: pytest.fail("something was trained"))
    lines = (images / "numbers.csv").read_text().splitlines()
    rows = [line if ",val," not in line else re.sub(r"val,[\d.]+", "val,1950", line) for line in lines]
    put(images / "same.csv", "\n".join(rows))
    with pytest.raises(DataError, match="the column 'year' has the same number in all 10 validation images"):
        compared(images, "same", tmp_path / "c", tricks=[])


@pytest.mark.parametrize(
    ("table", "options", "told"),
    [
        ("numbers", {"class_weights": True}, "class_weights is for classes"),
        ("labels", {"backbone": "squeezenet1_1", "weights": "random", "size": 64}, "squeezenet1_1 ends in a Conv2d"),
        ("numbers", {"backbones": ["resnet18", "squeezenet1_1"]}, "squeezenet1_1 ends in a Conv2d"),
    ],
)
def test_a_base_that_does_not_suit_is_refused(images, tmp_path, monkeypatch, table, options, told):
    monkeypatch.setattr(shared_training.SharedTraining, "run", lambda *_: pytest.fail("something was trained"))
    with pytest.raises(UsageError, match=told):
        compared(images, table, tmp_path / "c", tricks=[], **options)
    assert not (tmp_path / "c").exists()


def test_a_comparison_of_before_is_read(images, tmp_path):
    """It has accuracies and no task."""
    record = compared(images, "labels", tmp_path / "c", tricks=[], seeds=1, epochs=1)
    before = json.loads(record.to_json())
    del before["task"]
    for row in before["rows"]:
        del row["value"]
        for run in row["runs"]:
            del run["value"]
    read = Comparison.from_json(json.dumps(before), "c")
    assert read.task == "classification"
    assert read.rows == record.rows
