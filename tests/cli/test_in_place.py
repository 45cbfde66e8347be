"""Commands that are given the very folder in which they write: what they wrote is never an image."""

import json
import shutil

import pytest

from tests.cli import process
from tests.images import TINY_OPTIONS, draw_images


@pytest.fixture(scope="module")
def images(tmp_path_factory, module_cache):
    """A folder of images in which something was trained twice, once under runs/ and once beside the class folders."""
    folder = draw_images(tmp_path_factory.mktemp("in-place") / "images", 8)
    command = ["env", "-C", str(folder), *process.CONVLENS]
    for words in ((), ("--out", "model")):
        done = process.run("train", ".", *TINY_OPTIONS, *words, command=command)
        assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def there(images, tmp_path, monkeypatch):
    """A copy of it, as the working folder."""
    monkeypatch.chdir(shutil.copytree(images, tmp_path / "images"))
    return tmp_path / "images"


def test_train_again(convlens, there):
    outcome = convlens("train", ".", *TINY_OPTIONS, "--json", "--out", "again")
    assert outcome.code == 0, outcome.err
    record = json.loads(outcome.out)
    assert record["classes"] == ["blue", "green"]
    assert sum(record["images"].values()) == 16
    left_out = {one["file"]: one["detail"] for one in record["bad_files"]}
    assert left_out == {
        "again.unfinished": "an unfinished run of convlens",
        "model": "a run of convlens",
        "runs": "holds no images of its own, only such as a run of convlens",
    }
    assert "model (a run of convlens), runs (holds no images" in outcome.err


def test_check_and_its_page(convlens, there):
    for _ in range(2):
        outcome = convlens("check", ".", "--html", "check.html", "--fix-list", "blue/fix.csv", "--json")
        assert outcome.code == 0, outcome.err
        record = json.loads(outcome.out)
        assert [(one["name"], one["unsplit"]) for one in record["classes"]] == [("blue", 8), ("green", 8)]
        assert (record["files"], record["bad_share"]) == (16, 0)
    assert {one["file"]: one["reason"] for one in record["problems"] if not one["used"]} == {
        "blue/fix.csv": "document",
        "check.html": "document",
        "model": "no-images",
        "runs": "no-images",
    }


def test_predict_and_evaluate(convlens, there):
    outcome = convlens("predict", "model", ".", "--json", "--quiet")
    record = json.loads(outcome.out)
    assert {one["file"].split("/")[0] for one in record["predictions"]} == {"blue", "green"}
    assert {one["reason"] for one in record["bad_files"]} == {"no-images"}
    judged = convlens("evaluate", "model", ".", "--side", "all", "--json")
    assert judged.code == 0, judged.err
    assert json.loads(judged.out)["images"] == 16


def test_predict_of_a_run_itself(convlens, there):
    outcome = convlens("predict", "model", "model", "--json")
    assert outcome.code == 3
    assert "model: no-images, a run of convlens" in outcome.err
