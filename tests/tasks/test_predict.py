"""Predicting as a function; how it meets a person stands in tests/cli/test_predict.py."""

import csv

import numpy as np
import pytest
import torch

from convlens.core.errors import DataError, UsageError
from convlens.data.batches import normalized
from convlens.data.decode import decode
from convlens.pipeline.trained import load_run
from convlens.tasks.predict import predict
from convlens.tasks.train import train
from tests.images import TINY, draw, draw_images


@pytest.fixture(scope="module")
def run(tmp_path_factory, module_cache):
    folder = tmp_path_factory.mktemp("predict")
    train(draw_images(folder / "images"), out=folder / "run", **TINY)
    return folder / "run"


def test_order_is_that_of_the_question(run, tmp_path):
    paths = [draw(tmp_path / f"{name}.png", seed=name) for name in "cab"]
    record = predict(run, *paths, paths[0])
    assert [one.file for one in record.predictions] == [str(path) for path in [*paths, paths[0]]]
    assert record.predictions[0] == record.predictions[-1]


def test_a_image_alone_or_among_others_is_the_same(run, tmp_path):
    paths = [draw(tmp_path / f"{number}.png", seed=str(number)) for number in range(40)]
    together = predict(run, tmp_path).predictions
    for path in (paths[0], paths[39]):
        (alone,) = predict(run, path).predictions
        (among,) = (one for one in together if one.file == str(path))
        assert alone.probabilities == pytest.approx(among.probabilities, abs=1e-5)


def test_no_run(tmp_path):
    with pytest.raises(UsageError, match=r"is not a run folder: it holds no model\.json"):
        predict(tmp_path, tmp_path)


def test_incomplete_run(tmp_path, run):
    (tmp_path / "model.json").write_bytes((run / "model.json").read_bytes())
    with pytest.raises(DataError, match=r"the run is not complete\. Train it again"):
        predict(tmp_path, tmp_path)


@pytest.mark.parametrize("size", [31, 32])
@pytest.mark.parametrize("freeze", ["backbone", "conv", "layer3", "none"])
def test_a_run_said_the_same_of_each_image_as_predict_and_as_its_weights_do(tmp_path, freeze, size):
    images = draw_images(tmp_path / "images", 6)
    options = {**TINY, "backbone": "resnet18", "precision": "fp32", "epochs": 1, "size": size}
    out = tmp_path / "run"
    train(images, out=out, freeze=freeze, **options)
    with (out / "predictions.csv").open() as table:
        said = {row["file"]: [float(row[f"p({name})"]) for name in ("blue", "green")] for row in csv.DictReader(table)}
    paths = [images / file for file in said]
    predicted = [list(one.probabilities.values()) for one in predict(out, *paths).predictions]
    torch.testing.assert_close(torch.tensor(list(said.values())), torch.tensor(predicted), atol=1e-5, rtol=0)
    bundle, module = load_run(out)
    kept = bundle.preprocessing
    assert (kept.resize - kept.size) % 2 == (size == 32), "margins of whole and of half pixels are tried"
    pixels = [decode(path.read_bytes(), resize=kept.resize, size=size).pixels for path in paths]
    with torch.inference_mode():
        plain = module.eval()(normalized(torch.from_numpy(np.stack(pixels)), kept)).softmax(1)
    torch.testing.assert_close(plain, torch.tensor(predicted), atol=1e-5, rtol=0)
