"""Comparisons: equal to training alone, nothing computed twice, the same again to the last digit."""

import json
import math
import re
import shlex

import pytest
import torch
from PIL import Image
from sklearn.datasets import load_digits

from convlens.comparison import shared_training
from convlens.comparison.tricks import TRICKS
from convlens.core.comparison import Comparison, by_cost
from convlens.core.errors import DataError, DivergedError, MachineError, UsageError
from convlens.data import batches
from convlens.runs import writer
from convlens.tasks.compare import compare
from convlens.tasks.inspect import inspect
from convlens.tasks.train import train
from convlens.training.recipe import Recipe
from convlens.zoo import network
from tests.images import draw_images
from tests.report.page import VOID, parsed

SMALL = {"backbone": "house", "size": 32, "epochs": 2, "precision": "fp32"}


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    return draw_images(tmp_path_factory.mktemp("compared") / "images", 10)


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    """120 of the handwritten digits that travel with scikit-learn."""
    folder, found = tmp_path_factory.mktemp("digits"), load_digits()
    for number in range(120):
        place = folder / str(found.target[number])
        place.mkdir(exist_ok=True)
        Image.fromarray((found.images[number] * 15).astype("uint8")).save(place / f"{number:03d}.png")
    return folder


def measured(record):
    """All but times and places."""
    rows = record.model_dump()["rows"]
    for row in rows:
        del row["seconds"]
        for run in row["runs"]:
            del run["seconds"]
            for epoch in run["epochs"]:
                del epoch["seconds"]
    return rows


def trained_alone(images, row, folder):
    """The metrics of each epoch of `convlens train` with a row's recipe and the second seed."""
    train(images, Recipe.of(**{**row.recipe, "seed": 1}), out=folder / "alone")
    return [json.loads(line) for line in (folder / "alone" / "metrics.jsonl").read_text().splitlines()]


def test_every_trick_runs_and_the_frozen_layers_stay(images, tmp_path):
    record = compare(images, tricks=list(TRICKS), seeds=1, out=tmp_path / "all", **SMALL)
    assert [row.name for row in record.rows] == ["base", *TRICKS, "together"]
    assert record.frozen_unchanged
    for row in record.rows:
        assert all(
            epoch.val_loss == pytest.approx(epoch.val_loss) for run in row.runs for epoch in run.epochs
        )  # no NaN
        assert row.sentence
    assert len({row.val_loss for row in record.rows}) > 12


def test_the_same_again_is_the_same_and_decodes_nothing(images, tmp_path, monkeypatch):
    options = {"tricks": ["dropout", "mixup", "wide-head"], "seeds": 2, **SMALL}
    first = compare(images, out=tmp_path / "one", **options)
    assert first.features.computed == 20

    def decode(*arguments, **keywords):
        raise AssertionError("an image was decoded")

    monkeypatch.setattr(batches, "decode", decode)
    again = compare(images, out=tmp_path / "two", **options)
    assert measured(again) == measured(first)
    other = compare(images, out=tmp_path / "three", **{**options, "tricks": ["adam", "batch-norm"]})
    assert (other.features.computed, other.features.decoded) == (0, 0)
    # The base trained alone in the first and at once with Adam's head in the other: equal but for rounding.
    [one, two] = (record.rows[0] for record in (first, other))
    assert (two.accuracy, two.interval) == (one.accuracy, one.interval)
    assert [two.train_loss, two.val_loss] == pytest.approx([one.train_loss, one.val_loss], rel=1e-5)


@pytest.mark.parametrize("name", ["base", "dropout", "unfreeze", "batch-norm"])
def test_a_row_is_what_training_alone_gives(images, tmp_path, monkeypatch, name):
    monkeypatch.setattr(writer, "write_run_report", lambda run: None)
    tricks = ["batch-norm", "dropout", "unfreeze"]
    record = compare(images, tricks=tricks, seeds=2, out=tmp_path / "compared", **SMALL)
    row = next(row for row in record.rows if row.name == name)
    lines = trained_alone(images, row, tmp_path)
    assert [line["val_loss"] for line in lines] == [epoch.val_loss for epoch in row.runs[1].epochs]
    assert [line["train_loss"] for line in lines] == [epoch.train_loss for epoch in row.runs[1].epochs]


@pytest.mark.parametrize("views", [0, 1])
def test_heads_that_train_at_once_are_what_training_alone_gives(images, tmp_path, monkeypatch, views):
    """But for rounding: the sums of many heads side by side are formed in another order than those of one."""
    monkeypatch.setattr(writer, "write_run_report", lambda run: None)
    monkeypatch.setattr(shared_training, "in_stages", lambda *_: pytest.fail("a head was trained alone"))
    tricks = ["adam", "ema", "class-weights", "label-smoothing"]
    record = compare(images, tricks=tricks, seeds=2, out=tmp_path / "compared", augmented_copies=views, **SMALL)
    for row in record.rows:
        lines = trained_alone(images, row, tmp_path / row.name)
        epochs = [epoch.model_dump() for epoch in row.runs[1].epochs]
        for of_line, of_epoch in zip(lines, epochs, strict=True):
            del of_line["seconds"], of_epoch["seconds"]
            assert of_epoch == pytest.approx(of_line, rel=1e-5)
    assert len({row.val_loss for row in record.rows}) >= 5


def test_a_head_that_diverges_among_others_is_named(images, tmp_path):
    """Training at once leaves it to training alone to say where."""
    record = compare(
        images,
        tricks=["class-weights", "weight-decay"],
        seeds=1,
        learning_rate=1000.0,
        out=tmp_path / "lost",
        backbone="house",
        size=32,
        epochs=60,
    )
    told = r"with seed 0, recipe '[\w-]+': the .* became (inf|nan|infinite) (in|after) epoch \d+.*: training diverged\."
    assert all(re.match(told, one) for one in record.left_out)
    assert "recipe 'weight-decay'" in record.left_out[0]
    assert [row.name for row in record.rows] == ["base", "class-weights"]


def test_the_folder_holds_page_record_and_best_recipe(images, tmp_path, monkeypatch):
    monkeypatch.setattr("tests.report.page.VOID", VOID | {"input"})
    tricks = ["momentum", "cosine"]
    record = compare(images, tricks=tricks, seeds=1, lr_find=True, fractions=[0.5, 1], out=tmp_path / "c", **SMALL)
    assert Comparison.from_json((tmp_path / "c" / "comparison.json").read_text(), "c") == record
    best = Recipe.from_toml((tmp_path / "c" / "best.toml").read_text())
    assert best.learning_rate == record.range_test.proposed
    page = parsed(tmp_path / "c" / "comparison.html")
    assert "script" not in {element.tag for element in page.all()}
    boxes = page.all("input", type="checkbox")
    assert [box.attributes["id"] for box in boxes] == [f"show{n}" for n in range(4)]
    for n in range(4):
        for chart in ("loss", "accuracy", "training"):
            assert page.one("g", id=f"{chart}-line{n}")
    assert [point.images for point in record.fractions] == [8, 16]
    for row in record.rows:
        assert row.sentence in page.text


def test_folds_judge_every_image_once(images, tmp_path):
    record = compare(images, tricks=["cosine"], seeds=1, folds=4, out=tmp_path / "folds", **SMALL)
    assert [run.fold for run in record.rows[0].runs] == [1, 2, 3, 4]
    assert record.num_train + record.num_val == 20


def test_a_recipe_that_diverges_is_left_out_and_the_others_are_compared(images, tmp_path, monkeypatch):
    run = shared_training.SharedTraining.run

    def diverging(shared, recipe, manifest, progress):
        if recipe.optimizer == "adam" and recipe.seed == 1:
            raise DivergedError("the loss became nan")
        return run(shared, recipe, manifest, progress)

    monkeypatch.setattr(shared_training.SharedTraining, "run_at_once", lambda shared, recipes: [None] * len(recipes))
    monkeypatch.setattr(shared_training.SharedTraining, "run", diverging)
    record = compare(images, tricks=["adam", "cosine"], seeds=3, out=tmp_path / "table", **SMALL)
    assert [row.name for row in record.rows] == ["base", "cosine"]
    assert record.left_out[0] == "with seed 1, recipe 'adam': the loss became nan"
    assert {len(row.runs) for row in record.rows} == {3}
    with pytest.raises(DivergedError, match="recipe 'base': the loss became nan"):
        compare(images, tricks=["cosine"], seeds=3, optimizer="adam", out=tmp_path / "none", **SMALL)


def test_a_place_that_cannot_be_written_is_refused_before_the_work(images, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(MachineError, match="file"):
        compare(tmp_path / "no images at all", out=tmp_path / "file" / "table", **SMALL)


def test_a_budget_leaves_out_and_says_so(images, tmp_path):
    record = compare(images, tricks=["cosine", "step"], seeds=3, budget=0.0, out=tmp_path / "short", **SMALL)
    assert [row.name for row in record.rows] == ["base"]
    assert record.num_runs == 1
    assert record.left_out[0] == "cosine: the budget was used up"
    assert record.left_out[-1] == "2 of 3 runs of each recipe: the budget was used up"


def test_fractions_alone_compare_nothing_else(images, tmp_path):
    told = []
    record = compare(images, seeds=2, fractions=[0.5, 1], say=told.append, out=tmp_path / "parts", **SMALL)
    assert [row.name for row in record.rows] == ["base"]
    assert [point.fraction for point in record.fractions] == [0.5, 1]
    assert (record.best, record.best_because) == ("base", "No other recipe was compared.")
    [first] = [line for line in told if line.startswith("transfer and training from scratch on 0.5 of the images")]
    assert re.search(r"took [\d.]+ s; the larger fractions, about [\d.]+ s", first)
    assert record.forecast is None


def test_three_fractions_tell_what_more_images_would_be_worth(images, tmp_path):
    record = compare(images, seeds=1, fractions=[0.25, 0.5, 1], scratch=False, out=tmp_path / "curve", **SMALL)
    assert [point.scratch for point in record.fractions] == [None, None, None]
    assert "--no-scratch" in record.command
    assert record.forecast is not None
    assert [(one.images, one.more) for one in record.forecast.all] == [(16, 4), (16, 8), (16, 16)]
    page = (tmp_path / "curve" / "comparison.html").read_text()
    assert "What more images would be worth" in page
    assert "from scratch" not in page


def test_backbones_alone_compare_nothing_else(images, tmp_path):
    record = compare(images, seeds=1, backbones=["resnet20=random"], out=tmp_path / "nets", **SMALL)
    assert [row.name for row in record.rows] == ["base", "resnet20"]


def test_backbones_tell_what_they_cost_and_tricks_do_not(images, tmp_path):
    options = {"tricks": ["cosine"], "backbones": ["resnet20=random"], "seeds": 1, **SMALL}
    told = []
    first = compare(images, out=tmp_path / "one", say=told.append, **options)
    base, trick, other = (row.cost for row in first.rows)
    assert trick is None
    assert (base.backbone, base.size, other.backbone, other.size) == ("house", 32, "resnet20", 32)
    for cost in (base, other):
        lines = inspect(cost.backbone, size=32, freeze="backbone", depth=9).modules
        frozen = [line for line in lines if line.state == "frozen"]
        assert cost.parameters == sum(line.parameters for line in frozen)
        assert cost.multiply_adds == sum(line.multiply_adds for line in frozen)
        assert cost.extract_measured
    assert any(re.match(r"resnet20: [\d.]+ images a second .* on 20 images after a warm-up batch$", s) for s in told)
    again = compare(images, out=tmp_path / "two", **options)
    assert again.features.computed == 0
    costs = [cost for _, cost in by_cost(again.rows)]
    assert all(cost.images_per_second > 0 for cost in costs)
    assert [cost.extract_measured for cost in costs] == [False, False]
    assert Comparison.from_json((tmp_path / "two" / "comparison.json").read_text(), "two") == again
    without = compare(images, tricks=["cosine"], seeds=1, out=tmp_path / "three", **SMALL)
    assert [row.cost for row in without.rows] == [None, None]


def test_the_page_has_a_table_of_backbones_to_sort_and_a_chart_for_each_cost(images, tmp_path, monkeypatch):
    monkeypatch.setattr("tests.report.page.VOID", VOID | {"input"})
    record = compare(images, backbones=["resnet20=random"], seeds=2, out=tmp_path / "nets", **SMALL)
    page = parsed(tmp_path / "nets" / "comparison.html")
    head, *lines = page.one("table", class_="wide sortable costs").rows()
    by_name = {line[0]: dict(zip(head, line, strict=True)) for line in lines}
    assert [*by_name] == ["house", "resnet20"]
    base, other = (row.cost for row in record.rows)
    assert by_name["house"]["against the base, points (95 %)"] == "the base"
    assert by_name["resnet20"]["images/s"] == f"{other.images_per_second:.1f}"
    assert by_name["house"]["bytes each"] == f"{base.bytes_per_image:,}"
    assert by_name["resnet20"]["mult-adds, M"] == f"{other.multiply_adds / 1e6:.1f}"
    for chart in ("pace", "multiply-adds"):
        titles = [title.text for title in page.one("g", id=f"{chart}-points").all("title")]
        assert [title.split(":")[0] for title in titles] == ["house", "resnet20"]
    [drawn] = [one for one in page.all("svg") if "multiply-adds of the frozen" in one.attributes["aria-label"]]
    assert all(name in drawn.attributes["aria-label"] and name in drawn.text for name in by_name)
    assert page.one("script").text


def test_at_hand_means_the_networks_with_weights_on_this_machine(images, tmp_path, monkeypatch):
    monkeypatch.setattr("convlens.tasks.compare.at_hand", lambda: ["house", "resnet20=random"])
    record = compare(images, backbones=["at-hand"], seeds=1, out=tmp_path / "nets", **SMALL)
    assert [row.name for row in record.rows] == ["base", "resnet20"]
    assert "--backbones resnet20=random" in record.command


def test_what_it_will_take_is_said_after_the_first_training(images, tmp_path):
    told = []
    compare(images, tricks=["dropout"], seeds=3, say=told.append, out=tmp_path / "told", **SMALL)
    number = r"[\d.]+ (?:s|min \d\d s)"
    forecasts = [line for line in told if " took " in line]
    assert re.fullmatch(rf"the first training took {number}; 6 of that kind, about {number}\. .* longer", forecasts[0])
    assert re.fullmatch(rf"one training of each recipe took {number}; the rest, about {number}", forecasts[1])


def test_a_budget_that_is_used_up_leaves_out_fractions_too(images, tmp_path):
    record = compare(images, seeds=1, budget=0.0, fractions=[0.5, 1], out=tmp_path / "short", **SMALL)
    assert record.fractions == []
    assert record.left_out == [f"{part} of the images: the budget was used up" for part in ("0.5", "1")]


@pytest.mark.parametrize("budget", [float("inf"), float("nan"), -1.0])
def test_a_budget_is_a_finite_time(images, tmp_path, budget):
    with pytest.raises(UsageError, match=f"budget={budget}: give a number of seconds"):
        compare(images, budget=budget, out=tmp_path / "table", **SMALL)


def test_other_backbones_are_rows(images, tmp_path):
    record = compare(images, tricks=["cosine"], seeds=1, backbones=["resnet20=random"], out=tmp_path / "nets", **SMALL)
    assert [row.recipe["backbone"] for row in record.rows] == ["house", "house", "resnet20"]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"tricks": ["dorpout"]}, "unknown trick 'dorpout': did you mean dropout"),
        ({"seeds": 0}, "at least one seed"),
        ({"folds": 1}, "no folds or at least two"),
        ({"fractions": [0.0]}, "fractions=0"),
        ({"weight_decya": 1}, "unknown field of the recipe 'weight_decya': did you mean weight_decay"),
        ({"tricks": ["dropout"], "head": "ridge"}, "head='ridge'"),
    ],
)
def test_wrong_use_is_refused_before_anything_is_done(images, tmp_path, options, told):
    with pytest.raises(UsageError, match=told):
        compare(images, out=tmp_path / "wrong", **{**SMALL, **options})
    assert not (tmp_path / "wrong").exists()


def test_more_folds_than_images_are_refused(images, tmp_path):
    with pytest.raises(DataError, match="fewer than 50 folds"):
        compare(images, tricks=["cosine"], folds=50, out=tmp_path / "many", **SMALL)


def test_ten_more_images_cost_ten_images(tmp_path):
    folder = draw_images(tmp_path / "images", 6)
    options = {"seeds": 1, **SMALL}
    compare(folder, tricks=["cosine"], out=tmp_path / "one", **options)
    draw_images(folder, 5, first=6)
    record = compare(folder, tricks=["cosine"], out=tmp_path / "two", **options)
    assert (record.features.computed, record.features.decoded, record.features.reused) == (10, 10, 12)


def test_the_printed_command_gives_the_same_table_to_the_last_digit(digits, convlens, tmp_path):
    """Real digits, every trick, the house network's own weights."""
    record = compare(digits, tricks=list(TRICKS), seeds=1, out=tmp_path / "one", **SMALL)
    for row in record.rows:
        assert all(math.isfinite(epoch.train_loss + epoch.val_loss) for run in row.runs for epoch in run.epochs)
    words = shlex.split(record.command)
    assert words[:2] == ["convlens", "compare"]
    outcome = convlens(*words[1:], "--out", tmp_path / "two", "--json", "--quiet")
    assert outcome.code == 0, outcome.err
    assert measured(Comparison.from_json(outcome.out, "the output")) == measured(record)


def test_a_backbones_file_of_weights_is_named_for_any_folder(images, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save(network("resnet18", classes=3).state_dict(), "own.pth")
    record = compare(images, seeds=1, backbones=["resnet18=own.pth"], out=tmp_path / "nets", **SMALL)
    assert record.rows[-1].recipe["weights"] == str(tmp_path / "own.pth")
    assert f"--backbones resnet18={tmp_path}/own.pth" in record.command
