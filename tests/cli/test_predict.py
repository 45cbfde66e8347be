"""`convlens predict` as a person meets it: the table, the record, and what is wrong with images and runs."""

import contextlib
import csv
import json
import os
import re
import shutil
import sys
from pathlib import Path

import pytest

from convlens.tasks.train import train
from tests.images import TINY_HOUSE, draw, draw_images


@pytest.fixture(scope="module")
def trained(tmp_path_factory, module_cache):
    folder = tmp_path_factory.mktemp("trained")
    train(draw_images(folder / "images", classes=3), out=folder / "run", **TINY_HOUSE)
    return folder


@pytest.fixture
def run(trained):
    return trained / "run"


@pytest.fixture
def image(tmp_path):
    return draw(tmp_path / "one.png")


def test_predictions_are_those_of_the_run(convlens, trained, run):
    outcome = convlens("predict", run, trained / "images", "--json", "--quiet")
    assert (outcome.code, outcome.err) == (0, "")
    record = json.loads(outcome.out)
    assert len(record["predictions"]) == 24
    found = {one["file"].removeprefix(f"{trained}/images/"): one for one in record["predictions"]}
    for one in found.values():
        assert list(one["probabilities"]) == ["blue", "green", "red"]
        assert sum(one["probabilities"].values()) == pytest.approx(1, abs=1e-5)
        assert one["predicted"] == max(one["probabilities"], key=one["probabilities"].get)
    rows = list(csv.DictReader((run / "predictions.csv").read_text().splitlines()))
    assert len(rows) == 6
    for row in rows:
        probabilities = {name: float(row[f"p({name})"]) for name in ("blue", "green", "red")}
        assert found[row["file"]]["probabilities"] == pytest.approx(probabilities, abs=1e-5)
        assert found[row["file"]]["predicted"] == row["predicted"]


def test_table_is_whole_in_a_pipe(convlens, run, tmp_path):
    folder = tmp_path / ("deep" * 30)
    folder.mkdir()
    path = draw(folder / "a [red] image.png")
    outcome = convlens("predict", run, path)
    assert outcome.code == 0
    heading, line = outcome.out.splitlines()
    assert heading.split() == ["image", "class", "probability", "others"]
    assert line.strip().startswith(f"{path}  ")
    assert "\x1b" not in outcome.out
    assert "Predicting: 1 image in " in outcome.err


def test_file_names_cannot_steer_the_terminal(convlens, run, tmp_path):
    draw(tmp_path / "a\x1b[2Jb\n.png")
    (tmp_path / "c\x1b[2Jd.png").write_text("no image")
    outcome = convlens("predict", run, tmp_path)
    assert r"a\x1b[2Jb\n.png" in outcome.out
    assert r"c\x1b[2Jd.png: not-an-image" in outcome.err
    assert "\x1b" not in outcome.out + outcome.err


def test_file_name_that_is_no_text(convlens, run, tmp_path):
    path = os.fsencode(tmp_path) + b"/\xff.png"
    shutil.copy(draw(tmp_path / "one.png"), path)
    for words in ([], ["--json"]):
        outcome = convlens("predict", run, os.fsdecode(path), *words)
        assert outcome.code == 0
        assert r"\xff.png" in outcome.out


def test_one_bad_image_does_not_stop_the_rest(convlens, run, image, tmp_path):
    (tmp_path / "bad.jpg").write_text("no image")
    (tmp_path / "empty.jpg").touch()
    outcome = convlens("predict", run, tmp_path / "bad.jpg", image, tmp_path / "empty.jpg", "--json")
    assert outcome.code == 0
    record = json.loads(outcome.out)
    assert [one["file"] for one in record["predictions"]] == [str(image)]
    reasons = {bad["file"]: bad["reason"] for bad in record["bad_files"]}
    assert reasons == {str(tmp_path / "bad.jpg"): "not-an-image", str(tmp_path / "empty.jpg"): "empty"}
    for file, reason in reasons.items():
        assert f"{file}: {reason}, " in outcome.err


def test_all_images_bad(convlens, run, tmp_path):
    (tmp_path / "bad.jpg").write_text("no image")
    outcome = convlens("predict", run, tmp_path, "--json")
    assert outcome.code == 3
    assert [bad["reason"] for bad in json.loads(outcome.out)["bad_files"]] == ["not-an-image"]
    assert outcome.err.splitlines()[-1].startswith("convlens: no image that can be classified")


def test_folder_without_images(convlens, run, tmp_path):
    outcome = convlens("predict", run, tmp_path)
    assert (outcome.code, outcome.out) == (3, "")
    assert "no image that can be classified (files found: 0)" in outcome.err


def test_missing_image(convlens, run, image):
    outcome = convlens("predict", run, image, "nowhere.png")
    assert (outcome.code, outcome.out) == (2, "")
    assert "convlens: no such image: nowhere.png. Give image files, or folders" in outcome.err


def test_folder_that_is_no_run(convlens, image, tmp_path):
    outcome = convlens("predict", tmp_path, image)
    assert outcome.code == 2
    assert f"{tmp_path} is a folder, but not a finished run: it holds no model.json" in outcome.err


@pytest.mark.parametrize("folder", ["nowhere", "one.png"])
def test_run_that_is_no_folder(convlens, image, tmp_path, folder):
    outcome = convlens("predict", tmp_path / folder, image)
    assert outcome.code == 2
    assert "is a file, but not a finished run" in outcome.err or "is not a run folder" in outcome.err


@pytest.mark.parametrize(
    ("spoil", "code", "part"),
    [
        (lambda run: _flip_a_byte(run / "model.safetensors"), 6, "is not the file that model.json names"),
        (lambda run: (run / "model.safetensors").unlink(), 3, "holds no model.safetensors"),
        (lambda run: (run / "model.json").write_text("{"), 3, "is not a Bundle that this version"),
        (lambda run: _change(run / "model.json", backbone="huose"), 2, "did you mean house"),
        (lambda run: _change(run / "model.json", classes=["a", "b"]), 3, "house with 3 classes, and 2 classes"),
        (lambda run: _change(run / "model.json", version=99), 3, "is not a Bundle that this version"),
    ],
)
def test_damaged_run(convlens, run, image, tmp_path, spoil, code, part):
    damaged = shutil.copytree(run, tmp_path / "damaged")
    spoil(damaged)
    outcome = convlens("predict", damaged, image)
    assert (outcome.code, outcome.out) == (code, "")
    assert part in outcome.err
    assert len(outcome.err.splitlines()) == 1


def _flip_a_byte(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def _change(path, **fields):
    path.write_text(json.dumps(json.loads(path.read_bytes()) | fields))


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_full_standard_output(convlens, run, image, monkeypatch):
    with contextlib.suppress(OSError), Path("/dev/full").open("w") as full:  # closing it writes, and fails, again
        monkeypatch.setattr(sys, "stdout", full)
        outcome = convlens("predict", run, image, "--json")
    assert outcome.code == 4
    assert "no space left on the disk that holds standard output" in outcome.err


def test_a_network_tells_five_classes_of_imagenet(convlens, image):
    outcome = convlens("predict", "efficientnet_lite0", image, "--quiet")
    assert outcome.code == 0
    heading, line = outcome.out.splitlines()
    assert heading.split() == ["image", "class", "probability", "others"]
    shares = [float(share) for share in re.findall(r"([\d.]+)%", line)]
    assert len(shares) == 5
    assert shares == sorted(shares, reverse=True)


def test_an_unknown_network_is_refused_with_the_nearest(convlens, image):
    outcome = convlens("predict", "efficientnet_lit0", image)
    assert outcome.code == 2
    assert "did you mean efficientnet_lite0" in outcome.err
