"""Runs on several labels per image and on numbers: from a table to a report, and what is made of the run."""

import csv
import json
import math
from pathlib import Path

import pytest
import torch

from convlens.core.errors import ConvlensError, DataError, UsageError
from convlens.core.kinds.multilabel import MultilabelEvaluation
from convlens.core.kinds.regression import RegressionEvaluation
from convlens.core.progress import silent
from convlens.core.run import RunRecord
from convlens.pipeline.resolve import suited_to
from convlens.tasks.check import check_images
from convlens.tasks.evaluate import evaluate
from convlens.tasks.explain import explain, explain_mistakes
from convlens.tasks.predict import predict
from convlens.tasks.train import train
from convlens.training.learner import Model
from convlens.training.loop import fit
from convlens.training.objective import L2
from convlens.training.recipe import Recipe
from tests.data.drawn import put
from tests.images import draw

SMALL = {"backbone": "house", "size": 32, "epochs": 6, "learning_rate": 0.05, "precision": "fp32"}
COUNT = 40


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Images whose redness and greenness are drawn from their number, and tables of that."""
    folder = tmp_path_factory.mktemp("targets")
    (folder / "p").mkdir()
    red, green = (lambda n: 20 + 5 * n), (lambda n: 20 + (37 * n) % 200)
    for n in range(COUNT):
        draw(folder / "p" / f"{n:02d}.png", (red(n), green(n), 60), seed=str(n))
    tables = {
        "numbers": ["file,year,shade"] + [f"{n:02d}.png,{1900 + red(n) / 2},{green(n) / 1000}" for n in range(COUNT)],
        "labels": ["file,red,green"] + [f"{n:02d}.png,{int(red(n) > 120)},{int(green(n) > 120)}" for n in range(COUNT)],
        "words": ["file,tags"] + [f"{n:02d}.png,{'|'.join(['red'] * (red(n) > 120) + ['any'])}" for n in range(COUNT)],
    }
    for name, lines in tables.items():
        put(folder / f"{name}.csv", "\n".join(lines))
    return folder


@pytest.fixture(scope="module")
def runs(images: Path, module_cache: object) -> dict[str, RunRecord]:
    return {
        name: train(images / "p", labels=str(images / f"{name}.csv"), out=images / f"run-{name}", **SMALL)
        for name in ("numbers", "labels", "words")
    }


def table(record: RunRecord) -> list[dict[str, str]]:
    with (Path(record.run) / "predictions.csv").open(newline="") as file:
        return list(csv.DictReader(file))


class TestExplain:
    def test_a_number_is_explained_in_its_own_unit(self, images, runs):
        run, photo = runs["numbers"].run, images / "p" / "07.png"
        explanation = explain(run, photo, target="shade").explanation
        assert explanation.target == "shade, in standard deviations of the training images"
        (predicted,) = predict(run, photo).predictions
        told = {guess.name: guess.number for guess in explanation.guesses}
        assert told == pytest.approx(predicted.numbers, rel=1e-4)
        assert [guess.probability for guess in explanation.guesses] == [None, None]
        assert explanation.check.largest_difference < 1e-3

    def test_without_a_target_the_first_number_is_explained(self, images, runs):
        explanation = explain(runs["numbers"].run, images / "p" / "07.png").explanation
        assert explanation.target.startswith("year, ")

    def test_labels_do_not_exclude_each_other(self, images, runs):
        run, photo = runs["labels"].run, images / "p" / "39.png"
        explanation = explain(run, photo, target="green").explanation
        assert explanation.target == "the score of green"
        (predicted,) = predict(run, photo).predictions
        assert {guess.name: guess.probability for guess in explanation.guesses} == pytest.approx(
            predicted.probabilities, abs=1e-3
        )

    @pytest.mark.parametrize("name", ["numbers", "labels"])
    def test_the_worst_mistakes_get_pages(self, runs, name):
        run = runs[name]
        count = min(2, len(run.mistakes))
        pages = explain_mistakes(run.run, 2)
        assert len(pages) == count
        for page, mistake in zip(pages, run.mistakes[:2], strict=False):
            assert f"{mistake.file} is {mistake.true or 'none'}" in page.read_text()
        assert count > 0 or name == "labels"

    def test_an_unknown_number_is_refused(self, images, runs):
        with pytest.raises(UsageError, match=r"'yaer': did you mean year"):
            explain(runs["numbers"].run, images / "p" / "07.png", target="yaer")  # codespell:ignore


class TestNumbers:
    def test_the_record(self, runs):
        record = runs["numbers"]
        assert (record.task, record.loss, record.classes, record.accuracy) == (
            "regression",
            "L2",
            ["year", "shade"],
            None,
        )
        found = record.validation
        assert isinstance(found, RegressionEvaluation)
        assert found.images == record.images.val == COUNT // 5
        assert [one.name for one in found.per_number] == ["year", "shade"]
        # Color is what these images differ in: better than always saying the mean, in any unit.
        assert found.r2 is not None
        assert found.r2 > 0.3

    def test_predictions_are_in_their_own_units_and_give_the_error_of_the_record(self, runs):
        rows = table(runs["numbers"])
        for one in runs["numbers"].validation.per_number:
            errors = [float(row[f"predicted {one.name}"]) - float(row[f"true {one.name}"]) for row in rows]
            assert math.sqrt(sum(e * e for e in errors) / len(rows)) == pytest.approx(
                one.root_mean_squared_error, rel=1e-2
            )
        assert all(1900 < float(row["true year"]) < 2020 for row in rows)

    def test_the_report_draws_them(self, runs):
        page = (Path(runs["numbers"].run) / "report.html").read_text()
        assert "of the variance is explained" in page
        assert page.count("Predicted over true numbers of 8 images") == 2
        assert "loss (L2, training variances)" in page
        assert "Confusion" not in page

    def test_metrics_have_no_accuracy(self, runs):
        lines = (Path(runs["numbers"].run) / "metrics.jsonl").read_text().splitlines()
        first, *_, last = map(json.loads, lines)
        assert first["train_accuracy"] is last["val_accuracy"] is None
        assert last["train_loss"] < first["train_loss"]

    def test_predict_says_what_the_run_said(self, images, runs):
        record = predict(images / "run-numbers", images / "p")
        said = {one.file.rpartition("/")[2]: one for one in record.predictions}
        assert record.task == "regression"
        assert len(said) == COUNT
        for row in table(runs["numbers"]):
            one = said[row["file"]]
            assert one.numbers["year"] == pytest.approx(float(row["predicted year"]), rel=1e-4)
            assert one.probabilities == {}
            assert one.predicted == f"{one.numbers['year']:.6g}|{one.numbers['shade']:.6g}"

    def test_evaluate_on_all_images(self, images):
        record = evaluate(images / "run-numbers", images / "p", labels=images / "numbers.csv", side="all")
        with pytest.raises(UsageError, match="only runs on classes"):
            evaluate(images / "run-numbers", images / "p", labels=images / "numbers.csv", slices=True)
        assert (record.side, record.images, record.accuracy) == ("all", COUNT, None)
        assert isinstance(record.evaluation, RegressionEvaluation)
        assert record.evaluation.r2 is not None
        assert record.evaluation.r2 > 0.5

    def test_ridge_is_the_baseline_in_closed_form(self, images, tmp_path):
        options = {**SMALL, "labels": str(images / "numbers.csv"), "head": "ridge"}
        record = train(images / "p", out=tmp_path / "run", **options)
        assert isinstance(record.validation, RegressionEvaluation)
        assert record.validation.r2 is not None
        assert record.validation.r2 > 0.8

    def test_mixup_early_stopping_and_views_go_with_numbers(self, images, tmp_path):
        options = {
            **SMALL,
            "labels": str(images / "numbers.csv"),
            "mixup": 0.2,
            "early_stopping": 2,
            "augmented_copies": 1,
        }
        record = train(images / "p", out=tmp_path / "run", **options, ema=0.9, head="hidden", unfreeze=1)
        assert isinstance(record.validation, RegressionEvaluation)
        assert math.isfinite(record.validation.loss)


class TestLabels:
    def test_the_record(self, runs):
        record = runs["labels"]
        assert (record.task, record.loss, record.classes) == ("multilabel", "binary cross-entropy", ["green", "red"])
        found = record.validation
        assert isinstance(found, MultilabelEvaluation)
        assert record.accuracy == found.accuracy
        assert found.accuracy > 0.7
        assert found.mean_average_precision is not None
        assert found.mean_average_precision > 0.8
        assert sum(record.images_per_class["red"].model_dump().values()) == sum(20 + 5 * n > 120 for n in range(COUNT))

    def test_predictions_and_mistakes(self, runs):
        rows = table(runs["labels"])
        wrong = [row["file"] for row in rows if row["true"] != row["predicted"]]
        for row in rows:
            assert (
                row["predicted"].split("|") == [name for name in ("green", "red") if float(row[f"p({name})"]) > 0.5]
                or not row["predicted"]
            )
        assert sorted(wrong) == sorted(one.file for one in runs["labels"].mistakes)
        assert runs["labels"].validation.exact_match == 1 - len(wrong) / len(rows)

    def test_the_report_has_a_table_of_labels(self, runs):
        page = (Path(runs["labels"].run) / "report.html").read_text()
        assert "average precision" in page
        assert "had all labels predicted correctly" in page
        assert "Confusion" not in page

    def test_predict_and_evaluate(self, images, runs):
        record = predict(images / "run-labels", images / "p" / "39.png", images / "p" / "00.png")
        assert [set(one.probabilities) for one in record.predictions] == [{"green", "red"}] * 2
        judged = evaluate(images / "run-labels", images / "p", labels=images / "labels.csv", side="all")
        assert isinstance(judged.evaluation, MultilabelEvaluation)
        assert judged.accuracy == judged.evaluation.accuracy
        assert judged.images == COUNT

    def test_words_with_lines_between_them(self, images, runs):
        record = runs["words"]
        assert (record.task, record.classes) == ("multilabel", ["any", "red"])
        judged = evaluate(images / "run-words", images / "p", labels=images / "words.csv", side="all")
        assert judged.images == COUNT

    def test_class_weights_smoothing_and_mixup_go_with_labels(self, images, tmp_path):
        options = {**SMALL, "labels": str(images / "labels.csv"), "label_smoothing": 0.1, "mixup": 0.2}
        record = train(images / "p", out=tmp_path / "run", **options, class_weights=True, fold="2/4")
        assert record.images.val == COUNT // 4


def test_the_loss_is_said(images, tmp_path):
    said: list[str] = []
    train(images / "p", labels=str(images / "labels.csv"), out=tmp_path / "run", say=said.append, **SMALL)
    assert "40 images of 2 labels: 30 train, 10 val" in said
    assert "loss: binary cross-entropy, since the table of labels holds labels (if this is wrong, set task)" in said


def test_the_same_table_gives_the_same_run(images, runs, tmp_path):
    again = train(images / "p", labels=str(images / "numbers.csv"), out=tmp_path / "run", **SMALL)
    assert again.validation == runs["numbers"].validation


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("numbers", {"class_weights": True}, "class_weights is for classes, and the table of labels holds num"),
        ("numbers", {"label_smoothing": 0.1}, "label_smoothing is for classes"),
        ("numbers", {"head": "logistic"}, "head='logistic' is for classes"),
        ("labels", {"head": "logistic"}, "head='logistic' is for classes"),
        ("labels", {"head": "ridge"}, "head='ridge' is for classes"),
        ("labels", {"backbone": "squeezenet1_1", "weights": "random", "size": 64}, "squeezenet1_1 ends in a Conv2d"),
        ("labels", {"task": "classification"}, "one class per image needs one column"),
        ("labels", {"task": "sorts"}, "task='sorts' must be one of auto, classification, multilabel, regression"),
        ("numbers", {"label_columns": "yaer"}, "'yaer': did you mean year?"),  # codespell:ignore
    ],
)
def test_what_cannot_be_is_refused(images, tmp_path, module_cache, name, options, message):
    with pytest.raises(UsageError) as refused:
        train(images / "p", labels=str(images / f"{name}.csv"), out=tmp_path / "run", **{**SMALL, **options})
    assert message in str(refused.value)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("options", [{"task": "regression"}, {"label_columns": "age"}])
def test_options_without_a_table(images, options):
    with pytest.raises(UsageError, match=r"needs a table of labels: give one \(labels\)"):
        train(images / "p", **SMALL, **options)


def test_a_run_is_judged_on_the_columns_that_it_has_learnt(images, runs, tmp_path):
    for name in ("labels", "numbers"):
        lines = (images / f"{name}.csv").read_text().splitlines()
        wide = put(
            tmp_path / f"{name}.csv", "\n".join(f"{line},{'truth' if not n else 1}" for n, line in enumerate(lines))
        )
        plain = evaluate(images / f"run-{name}", images / "p", labels=images / f"{name}.csv")
        assert evaluate(images / f"run-{name}", images / "p", labels=wide).evaluation == plain.evaluation
        backwards = ",".join(reversed(runs[name].classes))
        asked = evaluate(images / f"run-{name}", images / "p", labels=wide, label_columns=backwards)
        assert asked.evaluation == plain.evaluation
        with pytest.raises(UsageError, match=r"label_columns='truth,x': .* has learned .* leave the option out"):
            evaluate(images / f"run-{name}", images / "p", labels=wide, label_columns="truth, x")
    words = put(
        tmp_path / "words.csv",
        (images / "words.csv").read_text().replace("tags", "what,label").replace(".png,", ".png,1,"),
    )
    with pytest.raises(DataError, match="has 'what', which"):
        evaluate(images / "run-words", images / "p", labels=words, label_columns="what")
    judged = evaluate(images / "run-words", images / "p", labels=words, label_columns="label", side="all")
    assert judged.images == COUNT


def test_messages_for_a_run_name_no_option_that_evaluate_has_not(images, runs, tmp_path):
    table = put(tmp_path / "t.csv", "file,year,shade\n00.png,3,4\n01.png,old,4\n")
    with pytest.raises(DataError, match="line 3: 'old' in the column 'year' is not a number") as refused:
        evaluate(images / "run-numbers", images / "p", labels=table)
    assert "task=" not in str(refused.value)


def test_other_commands_say_what_they_need(images, runs):
    with pytest.raises(UsageError, match=r"run-numbers predicts numbers .* Give a table of labels with labels='CSV'"):
        evaluate(images / "run-numbers", images / "p")
    with pytest.raises(DataError, match=r"has 'any', which .*run-labels has not learned. It predicts: green, red"):
        evaluate(images / "run-labels", images / "p", labels=images / "words.csv")


def test_check_takes_what_train_takes(images, tmp_path):
    table = put(tmp_path / "t.csv", "file,tags,age\n00.png,red,7\n01.png,,8\n02.png,blue,9\n")
    found = check_images(images / "p", labels=table, task="multilabel")
    assert {one.name for one in found.classes} == {"blue", "red"}
    by_age = check_images(images / "p", labels=table, label_columns="age", task="class")
    assert [one.name for one in by_age.classes] == ["7", "8", "9"]
    with pytest.raises(UsageError, match="unknown task 'multilable': did you mean multilabel"):
        check_images(images / "p", labels=table, task="multilable")
    with pytest.raises(UsageError, match="label_columns='age' needs a table of labels"):
        check_images(images / "p", label_columns="age")


def test_check_counts_labels(images):
    counted = {one.name: one.images for one in check_images(images / "p", labels=images / "labels.csv").classes}
    assert counted["red"] == sum(20 + 5 * n > 120 for n in range(COUNT))
    for name in ("labels", "numbers"):
        assert check_images(images / "p", labels=images / f"{name}.csv").bad_share == 0
    assert check_images(images / "p", labels=images / "numbers.csv").classes == []


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (
            ["file,age", "none.png,3", "gone.png,4"],
            "none of the 2 files in the column 'file' is found .* 'gone.png' .line 3.: no such file",
        ),
        (["file,age", "00.png,3", "01.png,old"], "line 3: 'old' in the column 'age' is not a number"),
        (["file,age", "00.png,3", "01.png,"], "line 3: a file or a label is missing in the column 'age'"),
        (
            ["file,age", "00.png,3", "01.png,nan"],
            "line 3: a file or a label is missing in the column 'age', which holds 'nan'",
        ),
        (["file,age", *(f"{n:02d}.png,7" for n in range(9))], "the column 'age' has the same number in all"),
    ],
)
def test_tables_that_cannot_be_learnt(images, tmp_path, module_cache, lines, message):
    with pytest.raises(ConvlensError, match=message) as refused:
        train(images / "p", labels=str(put(tmp_path / "t.csv", "\n".join(lines))), out=tmp_path / "run", **SMALL)
    assert isinstance(refused.value, DataError)
    assert not (tmp_path / "run").exists()


def test_missing_files_and_contradictions_are_listed_and_the_rest_is_used(images, tmp_path, module_cache):
    lines = ["file,age", *(f"{n:02d}.png,{n}" for n in range(12)), "gone.png,3", "05.png,6"]
    said: list[str] = []
    path = put(tmp_path / "t.csv", "\n".join(lines))
    record = train(images / "p", labels=str(path), out=tmp_path / "run", say=said.append, **SMALL)
    problems = {one.file: one.reason for one in record.bad_files}
    assert (problems["gone.png"], problems["05.png"], problems["39.png"]) == ("unreadable", "two-labels", "no-label")
    assert record.images.train + record.images.val == 11
    assert any("gone.png: unreadable, no such file" in line for line in said)


def test_images_of_the_same_bytes_with_other_numbers_are_not_used(images, tmp_path, module_cache):
    folder = tmp_path / "p"
    folder.mkdir()
    for n in range(8):
        draw(folder / f"{n}.png", (30 * n, 20, 20), seed=str(n))
    put(tmp_path / "t.csv", "\n".join(["file,age", *(f"{n}.png,{n}" for n in range(8)), "twin.png,40"]))
    (folder / "twin.png").write_bytes((folder / "0.png").read_bytes())
    record = train(folder, labels=str(tmp_path / "t.csv"), out=tmp_path / "run", **SMALL)
    assert {one.file: one.reason for one in record.bad_files} == {"0.png": "two-labels", "twin.png": "two-labels"}


def test_whole_numbers_are_classes_or_numbers_as_asked(images, tmp_path, module_cache):
    path = put(tmp_path / "t.csv", "\n".join(["file,label", *(f"{n:02d}.png,{n % 3}" for n in range(15))]))
    for asked, task, loss in (
        ("auto", "classification", "categorical cross-entropy"),
        ("regression", "regression", "L2"),
        ("numbers", "regression", "L2"),
    ):
        said: list[str] = []
        options = {**SMALL, "labels": str(path), "task": asked}
        record = train(images / "p", out=tmp_path / asked, say=said.append, **options)
        assert (record.task, record.loss) == (task, loss)
        assert any(line.startswith(f"loss: {loss}, since the table of labels holds ") for line in said)


def test_numbers_are_learnt_from_large_features_with_a_limit_on_the_gradient(runs):
    """Features as ResNet-18's, 512 values around 1: the default rate diverges without the limit that a run sets."""
    assert (runs["numbers"].recipe["clip"], runs["labels"].recipe["clip"]) == (1.0, 0.0)
    features = 0.9 + 0.6 * torch.randn(160, 512, generator=torch.Generator().manual_seed(0))
    examples = Given(features.clamp(min=0), features[:, :20].sum(1, keepdim=True) / 2 - 9)

    def loss(recipe: Recipe) -> float:
        torch.manual_seed(0)
        head = torch.nn.Linear(512, 1)
        parameters = dict(head.named_parameters())
        model = Model(
            train_forward=lambda x: (head(x),), eval_forward=lambda x: (head(x),), parameters=parameters, objective=L2()
        )
        return fit(model, examples, examples, recipe, silent)[-1].val_loss

    with pytest.raises(DataError, match="training diverged"):
        loss(Recipe())
    assert loss(suited_to(Recipe(), "regression")) < 0.2
    assert suited_to(Recipe(clip=5.0), "regression").clip == 5


class Given:
    """Features in memory, with their numbers."""

    def __init__(self, features: torch.Tensor, labels: torch.Tensor) -> None:
        self.features, self.labels = features, labels
        self.files = [f"{n}.png" for n in range(len(labels))]

    def batch(self, indices: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return (self.features[indices],)
