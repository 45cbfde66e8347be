"""`convlens train` as a person meets it: its output, its run folder, and what it never touches."""

import csv
import errno
import itertools
import json
import os
import shutil

import pytest
from PIL import Image

from tests.cli import process
from tests.images import COLORS, TINY_OPTIONS, draw_images
from tests.runs.whole import check_cache, check_runs, temporaries

FOUND_BAD = {
    "blue/empty.png": "empty",
    "blue/text.jpg": "not-an-image",
    "green/both.png": "two-labels",
    "green/cut.jpg": "truncated",
    "red/copy.png": "duplicate",
    "red/both.png": "two-labels",
}


@pytest.fixture(scope="module")
def made(tmp_path_factory, module_cache):
    """A finished `convlens train DIR --json` on images of which some are bad, and what it must not change."""
    folder = tmp_path_factory.mktemp("made")
    images = draw_images(folder / "images", classes=3)
    spoil(images)
    for path in [*images.rglob("*"), images]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    before = snapshot(images)
    done = process.run("train", images, *TINY_OPTIONS, "--json", "--out", folder / "runs" / "one")
    assert snapshot(images) == before
    for path in images.rglob("*/"):
        path.chmod(0o755)
    return folder, done


def spoil(images):
    (images / "blue" / "text.jpg").write_text("I am no image.")
    (images / "blue" / "empty.png").touch()
    shutil.copy(images / "red" / "000.png", images / "red" / "copy.png")
    for name in ("green", "red"):
        shutil.copy(images / "blue" / "007.png", images / name / "both.png")
    (images / "blue" / "007.png").unlink()
    whole = draw_images(images.parent / "other", 1)
    jpeg = images / "green" / "cut.jpg"
    Image.open(whole / "blue" / "000.png").save(jpeg)
    jpeg.write_bytes(jpeg.read_bytes()[:700])


def snapshot(folder):
    return {
        path: (path.stat().st_mtime_ns, path.is_file() and path.read_bytes())
        for path in sorted([folder, *folder.rglob("*")])
    }


def test_json_is_one_record_and_nothing_else(made):
    folder, done = made
    assert done.returncode == 0, done.stderr
    record = json.loads(done.stdout)  # refuses anything before or after it
    assert record["kind"] == "convlens.run"
    assert 0 <= record["accuracy"] <= 1
    assert record["classes"] == sorted(COLORS)
    assert record["images"] == {"train": 18, "val": 5, "test": 0}
    assert record["features"] | {"bytes_per_image": 0} == {
        "computed": 23,
        "reused": 0,
        "decoded": 25,
        "bytes_per_image": 0,
    }
    seconds = record["seconds"]
    parts = sum(seconds[name] for name in ("scan", "capture", "prefix", "fit", "calibrate", "evaluate", "rest"))
    assert parts == pytest.approx(seconds["total"])
    assert record["run"] == str(folder / "runs" / "one")
    assert record["freeze"]["frozen_unchanged"] is True


def test_run_folder_is_complete(made, module_cache):
    folder, done = made
    (run,) = check_runs(folder / "runs")
    assert check_cache(module_cache) == 2
    assert temporaries(folder, module_cache) == []
    assert json.loads((run / "run.json").read_bytes()) == json.loads(done.stdout)
    epochs = [json.loads(line)["epoch"] for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert epochs == [1, 2]
    rows = list(csv.DictReader((run / "predictions.csv").read_text().splitlines()))
    assert len(rows) == 5


def test_bad_files_are_listed_with_their_reasons(made):
    folder, done = made
    lines = (folder / "runs" / "one" / "bad_files.jsonl").read_text().splitlines()
    listed = {problem["file"]: problem["reason"] for problem in map(json.loads, lines)}
    assert listed == FOUND_BAD
    assert {bad["file"]: bad["reason"] for bad in json.loads(done.stdout)["bad_files"]} == FOUND_BAD
    for file, reason in FOUND_BAD.items():
        assert f"  {file}: {reason}, " in done.stderr


def test_plain_progress_where_standard_error_is_no_terminal(made):
    _, done = made
    assert "\x1b" not in done.stderr
    assert "\r" not in done.stderr
    lines = done.stderr.splitlines()
    assert "" not in lines
    stages = [line.partition(":")[0] for line in lines]
    for stage in ("Scanning the folder", "Running the frozen layers", "Training"):
        assert stages.count(stage) == 1


def test_quiet_leaves_standard_error_empty(convlens, tmp_path):
    images = draw_images(tmp_path / "images")
    done = convlens("train", images, *TINY_OPTIONS, "--quiet", "--out", tmp_path / "run")
    assert (done.code, done.err) == (0, "")
    assert f"convlens predict {tmp_path / 'run'} IMAGE..." in done.out


def test_a_training_that_diverges_tells_where_and_on_what(convlens, tmp_path):
    images = draw_images(tmp_path / "images")
    network = ("--backbone", "nin", "--weights", "random", "--freeze", "none", "--size", "64")
    steps = ("--epochs", "9", "--learning-rate", "1000", "--batch-size", "2")
    outcome = convlens("train", images, *network, *steps, "--out", tmp_path / "run")
    assert (outcome.code, outcome.out) == (3, "")
    last = outcome.err.splitlines()[-1]
    assert "training diverged. Try a tenth of the learning rate (--learning-rate 100)." in last
    assert not (tmp_path / "run").exists()
    files = (tmp_path / "run.diverged.txt").read_text().splitlines()
    assert f"listed in {tmp_path / 'run.diverged.txt'}" in last
    assert len(files) == 2
    assert all((images / file).is_file() for file in files)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ((), "starts from the package's weights, at 0.1 times the learning rate below the head; --weights random"),
        (("--layer-decay", "0.5"), "starts from the package's weights, at 0.5 times the learning rate for each block"),
        (("--weights", "random"), None),
        (("--freeze", "backbone"), None),
    ],
)
def test_what_training_all_layers_starts_from_is_said(convlens, tmp_path, options, told):
    """`--freeze none` alone is no training from scratch."""
    images = draw_images(tmp_path / "images", 4)
    words = (
        "train",
        images,
        "--backbone",
        "house",
        "--freeze",
        "none",
        "--size",
        "32",
        "--epochs",
        "1",
        "--json",
        *options,
    )
    outcome = convlens(*words, "--out", tmp_path / "run")
    assert outcome.code == 0, outcome.err
    assert json.loads(outcome.out)["kind"] == "convlens.run"
    said = [line for line in outcome.err.splitlines() if line.startswith("starts from")]
    assert [line[: len(told)] for line in said] == [told] if told else not said


def test_no_space_left(cache, tmp_path):
    images = draw_images(tmp_path / "images")
    (cache / "store").mkdir()
    setup = f"mount -t tmpfs -o size=16k tmpfs '{cache}/store'"
    done = process.run_after(setup, "train", images, *TINY_OPTIONS, "--json", "--out", tmp_path / "run")
    assert (done.returncode, done.stdout) == (4, "")
    last = done.stderr.splitlines()[-1]
    assert last.startswith("convlens: no space left")
    assert f"{cache}/store" in last
    assert "CONVLENS_CACHE" in last
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(("files", "shards"), [(0, 0), (1, 0), (2, 0), (3, 1), (4, 1), (5, 2), (7, 2), (12, 2)])
def test_no_space_left_after_some_files(convlens, cache, tmp_path, monkeypatch, files, shards):
    """The run's beginning, number formats, features, their note, image metadata, weights or report find no room."""
    images = draw_images(tmp_path / "images")
    assert convlens("train", images, *TINY_OPTIONS, "--out", tmp_path / "before").code == 0  # captures the graphs
    shutil.rmtree(cache / "store")
    written = itertools.count()

    def flush(number):
        if next(written) >= files:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", flush)
    outcome = convlens("train", images, *TINY_OPTIONS, "--out", tmp_path / "run")
    assert (outcome.code, outcome.out) == (4, "")
    assert outcome.err.splitlines()[-1].startswith("convlens: no space left on the disk that holds ")
    assert not (tmp_path / "run").exists()
    assert temporaries(cache, tmp_path) == []
    assert check_cache(cache) == shards


def test_store_that_may_only_be_read(cache, tmp_path):
    images = draw_images(tmp_path / "images")
    (cache / "store").mkdir()
    setup = f"mount -t tmpfs -o ro tmpfs '{cache}/store'"
    done = process.run_after(setup, "train", images, *TINY_OPTIONS, "--out", tmp_path / "run")
    assert done.returncode == 4
    last = done.stderr.splitlines()[-1]
    assert last.startswith(f"convlens: no access to {cache}/store")
    assert "CONVLENS_CACHE" in last


def test_images_and_a_filled_cache_that_may_only_be_read(cache, tmp_path, convlens):
    images = draw_images(tmp_path / "images")
    assert convlens("train", images, *TINY_OPTIONS, "--out", tmp_path / "one").code == 0
    setup = " && ".join(
        f"mount --bind '{path}' '{path}' && mount -o remount,bind,ro '{path}'" for path in (images, cache)
    )
    done = process.run_after(setup, "train", images, *TINY_OPTIONS, "--out", tmp_path / "two", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["features"]["reused"] == 16


def test_file_in_the_place_of_the_cache(convlens, tmp_path, monkeypatch):
    images = draw_images(tmp_path / "images")
    (tmp_path / "file").touch()
    monkeypatch.setenv("CONVLENS_CACHE", str(tmp_path / "file"))
    outcome = convlens("train", images, *TINY_OPTIONS, "--out", tmp_path / "run")
    assert outcome.code == 4
    assert outcome.err.splitlines()[-1].startswith(f"convlens: no access to {tmp_path / 'file'}")


def test_folders_whose_names_are_not_text_are_refused_before_the_work(convlens, tmp_path):
    images = draw_images(tmp_path / "images")
    named = draw_images(tmp_path / os.fsdecode(b"p\xff"))
    for words in ((images, "--out", tmp_path / os.fsdecode(b"r\xff")), (named, "--out", tmp_path / "run")):
        outcome = convlens("train", *words, *TINY_OPTIONS)
        assert outcome.code == 2
        assert r"\udcff is not text in utf-8" in outcome.err
    assert not list(tmp_path.glob("r*"))


def test_budget_prints_what_was_tried(convlens, tmp_path, monkeypatch):
    monkeypatch.setattr("convlens.comparison.search.at_hand", lambda: ["house"])
    images = draw_images(tmp_path / "images", 10)
    done = convlens(
        "train", images, "--backbone", "house", "--size", "32", "--budget", "10m", "--out", tmp_path / "run"
    )
    assert done.code == 0, done.err
    lines = done.out.splitlines()
    assert lines[0].startswith("5-fold cross-validation of 16 training images, ")
    assert "accuracy" in lines[1]
    assert sum(line.startswith("house, ") for line in lines) == 9
    assert any(line.startswith("Chosen   house, ") for line in lines)


def test_a_budget_that_is_no_time_is_refused(convlens, tmp_path):
    done = convlens("train", draw_images(tmp_path / "images"), "--budget", "soon")
    assert done.code == 2
    assert "--budget 'soon': give a time such as 90s, 2m or 1h." in done.err
