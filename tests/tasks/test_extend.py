"""Extending a run: a class or more images are added in closed form, and what that does to the others is said."""

import csv
import hashlib
import shutil

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from convlens.core.errors import DataError, UsageError
from convlens.data.scan import unlabeled_images
from convlens.pipeline.embedding import embedder_of
from convlens.report.run_folder import read_run
from convlens.tasks.evaluate import evaluate
from convlens.tasks.extend import extend
from convlens.tasks.predict import predict
from convlens.tasks.train import train
from convlens.transfer.ridge import ridge_classifier
from tests.stripes import HOUSE, draw_pattern, striped_images

PER_CLASS = 12


def draw_tiles(folder, count, seed=0):
    """The folder, with images of 16 tiles, none of which looks like another one."""
    folder.mkdir(parents=True, exist_ok=True)
    draw = np.random.default_rng([seed, 5])
    for number in range(count):
        tiles = draw.integers(0, 256, (4, 4, 3), dtype=np.uint8)
        Image.fromarray(tiles).resize((64, 64), Image.Resampling.NEAREST).save(folder / f"{seed}-{number}.png")
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return striped_images(tmp_path_factory.mktemp("extend") / "images", PER_CLASS)


@pytest.fixture(scope="module")
def run(folder, module_cache):
    out = folder.parent / "run"
    train(folder, out=out, **HOUSE)
    return out


@pytest.fixture(autouse=True)
def _shared_store(cache, module_cache, monkeypatch):
    """Features are computed once for all of these tests."""
    monkeypatch.setenv("CONVLENS_CACHE", str(module_cache))


def run_on(run, images, place):
    """The same run, as if it had been trained on images in another folder."""
    shutil.copytree(run, place)
    record = read_run(run).model_copy(update={"folder": str(images)})
    (place / "run.json").write_text(record.to_json())
    return place


@pytest.fixture
def tiles(tmp_path):
    """A folder of one class that the run does not know."""
    draw_tiles(tmp_path / "new" / "tiles", 10)
    return tmp_path / "new"


def digests(folder):
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir() if path.is_file()}


def test_a_class_is_added_and_the_run_stays_as_it_is(run, tiles, tmp_path):
    before = digests(run)
    record = extend(run, tiles, out=tmp_path / "run2")
    assert digests(run) == before
    assert record.classes == ["columns", "rows", "tiles"]
    assert (record.images.train, record.images.val) == (2 * PER_CLASS + 8, 2 * PER_CLASS + 2)
    found = record.extension
    assert (found.new_classes, found.train, found.val, found.lost) == (["tiles"], 8, 2, 0)
    assert (found.run, found.folder, found.compared) == (str(run), str(tiles), 2 * PER_CLASS)
    assert found.before == read_run(run).accuracy
    assert found.interval[0] <= found.after - found.before <= found.interval[1]
    assert record.command == f"convlens extend {run} {tiles}"
    assert read_run(tmp_path / "run2") == record
    more = draw_tiles(tmp_path / "others", 8, seed=1)
    said = [one.predicted for one in predict(tmp_path / "run2", more).predictions]
    assert said.count("tiles") >= 7


def test_only_what_is_new_goes_through_the_network(run, tmp_path):
    draw_tiles(tmp_path / "new" / "tiles", 7, seed=11)
    record = extend(run, tmp_path / "new", out=tmp_path / "run2")
    assert (record.features.computed, record.features.reused) == (7, 4 * PER_CLASS)


def test_the_new_head_is_the_ridge_regression_on_all_training_images(run, folder, tiles, tmp_path):
    extend(run, tiles, out=tmp_path / "run2")
    with (tmp_path / "run2" / "split.csv").open() as table:
        rows = [row for row in csv.DictReader(table) if row["side"] == "train"]
    images, _ = unlabeled_images([folder / row["file"] for row in rows])  # absolute paths stay as they are
    vectors = embedder_of(run).of(images).vectors
    labels = torch.tensor([["columns", "rows", "tiles"].index(row["label"]) for row in rows])
    expected = ridge_classifier(vectors, labels, 3)
    state, old = load_file(tmp_path / "run2" / "model.safetensors"), load_file(run / "model.safetensors")
    torch.testing.assert_close(state["fc.weight"].double(), expected.weight, rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(state["fc.bias"].double(), expected.bias, rtol=1e-3, atol=1e-4)
    assert all(torch.equal(state[name], old[name]) for name in old if not name.startswith("fc."))


def test_layers_that_the_run_trained_stay_as_it_left_them(folder, tiles, tmp_path):
    train(folder, out=tmp_path / "run", **HOUSE | {"freeze": "none", "epochs": 1})
    record = extend(tmp_path / "run", tiles, out=tmp_path / "run2")
    state, old = (load_file(tmp_path / name / "model.safetensors") for name in ("run2", "run"))
    assert all(torch.equal(state[name], old[name]) for name in old if not name.startswith("fc."))
    assert record.weights.source == "file"
    assert record.recipe["weights"] == str(tmp_path / "run" / "model.safetensors")
    assert record.freeze.frozen_unchanged


def test_a_hidden_layer_gives_way_to_a_linear_head(folder, tiles, tmp_path):
    train(folder, out=tmp_path / "run", **HOUSE | {"head": "hidden", "dropout": 0.2})
    extend(tmp_path / "run", tiles, out=tmp_path / "run2")
    assert load_file(tmp_path / "run2" / "model.safetensors")["fc.weight"].shape == (3, 256)
    assert len(predict(tmp_path / "run2", tiles).predictions) == 10


def test_the_images_may_be_gone_where_their_features_are_stored(run, tiles, tmp_path, cache, monkeypatch):
    run_on(run, tmp_path / "gone", tmp_path / "run")
    record = extend(tmp_path / "run", tiles, out=tmp_path / "run2")
    assert (record.extension.lost, record.extension.compared) == (0, 2 * PER_CLASS)
    monkeypatch.setenv("CONVLENS_CACHE", str(cache))  # which has no features
    with pytest.raises(DataError, match=r"'columns', 'rows' no training image can be had .*neither from .*gone nor"):
        extend(tmp_path / "run", tiles, out=tmp_path / "run3")
    assert not (tmp_path / "run3").exists()


def test_lost_and_changed_images_are_counted_and_said(run, folder, tiles, tmp_path, cache, monkeypatch):
    shutil.copytree(folder, tmp_path / "copy")
    run_on(run, tmp_path / "copy", tmp_path / "run")
    monkeypatch.setenv("CONVLENS_CACHE", str(cache))  # which has no features
    (tmp_path / "copy" / "train" / "rows" / "rows0.png").unlink()
    draw_tiles(tmp_path / "copy" / "val" / "rows", 1)
    (tmp_path / "copy" / "val" / "rows" / "0-0.png").rename(tmp_path / "copy" / "val" / "rows" / "rows1.png")
    said = []
    record = extend(tmp_path / "run", tiles, out=tmp_path / "run2", say=said.append)
    assert (record.extension.lost, record.extension.compared) == (2, 2 * PER_CLASS - 1)
    assert any("2 of 48 images" in line and "can be had no more" in line for line in said)
    reasons = {one.file: one.reason for one in record.bad_files}
    assert reasons == {"train/rows/rows0.png": "unreadable", "val/rows/rows1.png": "changed"}


def test_more_images_of_known_classes_from_a_table(run, tmp_path):
    draw_pattern(tmp_path / "more", "rows", 6, 5)
    table = tmp_path / "labels.csv"
    table.write_text("file,label\n" + "".join(f"rows{number}.png,rows\n" for number in range(6)))
    record = extend(run, tmp_path / "more", labels=table, out=tmp_path / "run2")
    found = record.extension
    assert (found.new_classes, found.train + found.val) == ([], 6)
    assert record.classes == ["columns", "rows"]
    assert record.command == f"convlens extend {run} {tmp_path / 'more'} --labels {table}"


def test_a_new_folder_beside_the_old_ones_is_found_and_the_rest_known(run, folder, tmp_path):
    shutil.copytree(folder, tmp_path / "images")
    run_on(run, tmp_path / "images", tmp_path / "run")
    with pytest.raises(DataError, match=r"was trained on all its 48 images already"):
        extend(tmp_path / "run", tmp_path / "images", out=tmp_path / "run2")
    for seed, side in enumerate(("train", "val")):
        draw_tiles(tmp_path / "images" / side / "tiles", 6, seed)
    record = extend(tmp_path / "run", tmp_path / "images", out=tmp_path / "run2")
    assert (record.extension.train, record.extension.val) == (6, 6)
    assert record.bad_files == []
    assert "val,tiles,val/tiles/1-0.png" in (tmp_path / "run2" / "split.csv").read_text()
    assert evaluate(tmp_path / "run2", tmp_path / "images").accuracy == pytest.approx(record.accuracy)


def test_an_extension_can_be_extended(run, tiles, tmp_path):
    extend(run, tiles, out=tmp_path / "run2")
    draw_tiles(tmp_path / "again" / "mosaic", 5, seed=3)
    record = extend(tmp_path / "run2", tmp_path / "again", out=tmp_path / "run3")
    assert record.classes == ["columns", "rows", "tiles", "mosaic"]
    assert record.extension.compared == 2 * PER_CLASS + 2


def test_the_report_says_what_was_added_with_names_as_text(run, tmp_path):
    draw_tiles(tmp_path / "new" / "<img src=x onerror=alert(1)>", 5)
    extend(run, tmp_path / "new", out=tmp_path / "run2")
    page = (tmp_path / "run2" / "report.html").read_text()
    assert 'id="extension"' in page
    assert "&lt;img src=x onerror=alert(1)&gt;</bdi> is a new class" in page
    assert "<img src=x" not in page


def test_what_cannot_be_extended(run, tiles, tmp_path):
    with pytest.raises(UsageError, match="resnet18 is the name of a network, and only a run can be extended"):
        extend("resnet18", tiles)
    with pytest.raises(UsageError, match="already exists"):
        extend(run, tiles, out=run)
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"no class folders\. At least one is needed"):
        extend(run, tmp_path / "empty")
    images = tmp_path / "numbers"
    draw_tiles(images, 12)
    table = tmp_path / "numbers.csv"
    table.write_text("file,weight\n" + "".join(f"0-{n}.png,{n}.5\n" for n in range(12)))
    train(images, labels=table, out=tmp_path / "regression", **HOUSE | {"epochs": 1})
    with pytest.raises(UsageError, match="only a run on classes can be extended"):
        extend(tmp_path / "regression", tiles)
