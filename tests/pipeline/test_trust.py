"""What a training learns about its own answers, and what predictions and evaluations make of it."""

import dataclasses
import json
import shutil

import numpy as np
import pytest
import torch

from convlens.core.errors import DataError, IntegrityError, UsageError
from convlens.core.run import RunRecord
from convlens.core.trust import REFERENCE_FILE
from convlens.pipeline.trained import load_run
from convlens.runs.reference import read_judge
from convlens.tasks.evaluate import evaluate
from convlens.tasks.predict import predict
from convlens.tasks.train import train
from tests.stripes import HOUSE, draw_pattern, striped_images


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return striped_images(tmp_path_factory.mktemp("trust") / "images")


@pytest.fixture(scope="module")
def run(folder, module_cache):
    out = folder.parent / "run"
    return train(folder, out=out, **HOUSE), out


def test_the_record_says_what_was_fitted_on_what(run):
    record, out = run
    trust = record.trust
    assert (trust.images, trust.folds, record.not_calibrated) == (60, 5, "")
    assert trust.calibration.temperature > 0
    assert sum(one.images for one in trust.after.bins) == 60
    assert [one.asked for one in trust.false_alarms] == [0.05, 0.1]  # 60 images do not tell 1%
    assert [one.asked for one in trust.coverage] == [0.99, 0.95, 0.9]
    assert set(trust.detector_aurocs) == {"neighbors", "means"}
    assert record.seconds.calibrate > 0
    assert RunRecord.from_json((out / "run.json").read_bytes(), "run.json") == record


def test_answers_and_evaluation_are_the_calibrated_ones(run, folder):
    record, out = run
    bundle, _ = load_run(out)
    assert bundle.calibration == record.trust.calibration
    found = evaluate(out, folder)
    assert found.calibration.log_loss == pytest.approx(record.trust.after.log_loss, abs=1e-3)
    assert found.evaluation.loss == pytest.approx(record.validation.loss, abs=1e-3)
    predicted = predict(out, folder / "val")
    table = (out / "predictions.csv").read_text()
    assert f"{predicted.predictions[0].probabilities['rows']:.3f}" in table


def test_foreign_images_are_none_of_the_classes(run, folder):
    _, out = run
    foreign = predict(out, folder.parent / "foreign")
    assert foreign.reject == 0.05
    assert all(one.judgment.rejected for one in foreign.predictions)
    assert all(len(one.judgment.nearest) == 3 for one in foreign.predictions)
    known = predict(out, folder / "val", reject=0.1, coverage=0.9)
    assert np.mean([one.judgment.rejected for one in known.predictions]) < 0.3
    own = predict(out, folder / "train" / "rows" / "rows3.png").predictions[0].judgment.nearest[0]
    assert (own.file, own.label) == ("train/rows/rows3.png", "rows")
    assert own.similarity == pytest.approx(1, abs=0.01)
    assert all(one.predicted in one.judgment.possible for one in known.predictions)


def test_how_well_foreign_images_are_found_is_measured(run, folder):
    _, out = run
    unknown = evaluate(out, folder, unknown=folder.parent / "foreign", reject=0.1).unknown
    assert (unknown.images, unknown.known, unknown.false_alarms.asked) == (12, 60, 0.1)
    assert unknown.detected == 1
    assert [one.score for one in unknown.separation][1:] == ["energy", "max_softmax"]
    assert unknown.separation[0].auroc > 0.95


def test_the_validation_images_have_no_say(run, folder, tmp_path):
    record, out = run
    for number, kind in enumerate(("rows", "columns")):
        shutil.copytree(folder / "train" / kind, tmp_path / "images" / "train" / kind)
        draw_pattern(tmp_path / "images" / "val" / kind, "blobs", 5, 77 + number)
    other = train(tmp_path / "images", out=tmp_path / "run", **HOUSE)
    assert other.trust.calibration == record.trust.calibration
    judges = [read_judge(one, load_run(one)[0]) for one in (out, tmp_path / "run")]
    assert torch.equal(judges[0].known_scores, judges[1].known_scores)
    assert torch.equal(judges[0].true_probabilities, judges[1].true_probabilities)


def test_groups_stay_together_when_images_are_held_out(folder, tmp_path):
    """Each class is one group, of which none can be held out; the sides of the split are given."""
    record = train(folder, out=tmp_path / "run", group_by="rows|columns", **HOUSE)
    assert record.trust is None
    assert "one group of images that belong together" in record.not_calibrated


def few(tmp_path):
    for kind in ("rows", "columns"):
        draw_pattern(tmp_path / "few" / kind, kind, 10, 3)
    return tmp_path / "few"


def test_why_answers_are_not_calibrated(folder, tmp_path):
    record = train(few(tmp_path), out=tmp_path / "a", **HOUSE)
    assert record.trust is None
    assert "it takes 50" in record.not_calibrated
    assert not (tmp_path / "a" / REFERENCE_FILE).exists()
    off = train(folder, out=tmp_path / "b", calibrate="off", **HOUSE)
    assert (off.trust, off.not_calibrated) == (None, "the recipe leaves it out")
    deeper = train(folder, out=tmp_path / "c", unfreeze=1, **HOUSE)
    assert "more than the head is trained" in deeper.not_calibrated
    assert predict(tmp_path / "b", folder / "val").predictions[0].judgment is None
    assert "more than the head" in (tmp_path / "c" / "report.html").read_text()


def test_refusals_name_what_to_do(folder, tmp_path):
    with pytest.raises(UsageError, match=r"calibrate='on': there are 16 images to train on, and it takes 50"):
        train(few(tmp_path), out=tmp_path / "a", calibrate="on", **HOUSE)
    train(folder, out=tmp_path / "b", calibrate="off", **HOUSE)
    with pytest.raises(UsageError, match=r"reject='5\.000%': .*nothing to judge its answers by.*calibrate='on'"):
        predict(tmp_path / "b", folder / "val", reject=0.05)
    with pytest.raises(UsageError, match="nothing to judge its answers by"):
        evaluate(tmp_path / "b", folder, unknown=folder)
    with pytest.raises(UsageError, match=r"coverage='100\.000%'"):
        predict(tmp_path / "b", folder / "val", coverage=1.0)


def test_all_layers_may_be_trained_where_it_is_asked_for(folder, tmp_path):
    record = train(folder, out=tmp_path / "run", freeze="none", calibrate="on", **HOUSE | {"epochs": 1})
    assert record.trust.images == 60
    plain = train(folder, out=tmp_path / "plain", freeze="none", **HOUSE | {"epochs": 1})
    weights = [(tmp_path / name / "model.safetensors").read_bytes() for name in ("run", "plain")]
    assert weights[0] == weights[1], "what is trained on parts of the images leaves the network itself as it is"
    assert plain.trust is None


def test_a_reference_that_is_not_the_runs_is_refused(run, folder, tmp_path):
    _, out = run
    copy = tmp_path / "copy"
    copy.mkdir()
    for path in out.iterdir():
        if path.is_file():
            (copy / path.name).write_bytes(path.read_bytes())
    (copy / REFERENCE_FILE).write_bytes(b"another")
    with pytest.raises(IntegrityError, match=REFERENCE_FILE):
        predict(copy, folder / "val")
    (copy / REFERENCE_FILE).unlink()
    with pytest.raises(DataError, match="the run is not complete"):
        predict(copy, folder / "val")


def test_only_classes_are_calibrated(folder, tmp_path):
    files = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.png"))
    table = tmp_path / "labels.csv"
    table.write_text("file,number\n" + "".join(f"{name},{place / 7}\n" for place, name in enumerate(files)))
    record = train(folder, out=tmp_path / "run", labels=table, task="regression", **HOUSE)
    assert "only probabilities of one class per image" in record.not_calibrated


def test_the_command_line(run, folder, convlens):
    record, out = run
    shown = convlens("predict", out, folder.parent / "foreign" / "blobs1.png", "--coverage", "90%")
    assert "none of these" in shown.out
    assert "possible at 90%" in shown.out
    assert "most like train/" in shown.out
    told = convlens("evaluate", out, folder, "--unknown", folder.parent / "foreign", "--reject", "0.1")
    assert "100.0% of 12 images of" in told.out
    assert "where 10% may be" in told.out
    assert "Calibration error" in told.out
    assert "'5': give a rate such as 5% or 0.05" in convlens("predict", out, folder / "val", "--reject", "5").err
    parsed = json.loads(convlens("predict", out, folder / "val", "--json", "--quiet").out)
    assert parsed["reject"] == 0.05
    assert dataclasses.is_dataclass(read_judge(out, load_run(out)[0]))
    assert record.trust.images == 60
