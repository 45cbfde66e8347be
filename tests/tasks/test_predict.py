"""Predicting as a function; how it meets a person stands in tests/cli/test_predict.py."""

import csv

import numpy as np
import pytest
import torch

from convlens import zoo
from convlens.backbones.resolve import network
from convlens.core.errors import DataError, UsageError
from convlens.data.batches import normalized
from convlens.data.decode import decode
from convlens.pipeline.trained import load_run
from convlens.tasks.predict import predict
from convlens.tasks.train import train
from tests.images import TINY_HOUSE, draw, draw_images


@pytest.fixture(scope="module")
def run(tmp_path_factory, module_cache):
    folder = tmp_path_factory.mktemp("predict")
    train(draw_images(folder / "images"), out=folder / "run", **TINY_HOUSE)
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
    with pytest.raises(UsageError, match=r"is a folder, but not a finished run: it holds no model\.json"):
        predict(tmp_path, tmp_path)


def test_incomplete_run(tmp_path, run):
    (tmp_path / "model.json").write_bytes((run / "model.json").read_bytes())
    with pytest.raises(DataError, match=r"the run is not complete\. Train it again"):
        predict(tmp_path, tmp_path)


@pytest.mark.parametrize("size", [31, 32])
@pytest.mark.parametrize("freeze", ["backbone", "conv", "layer3", "none"])
def test_a_run_said_the_same_of_each_image_as_predict_and_as_its_weights_do(tmp_path, freeze, size):
    images = draw_images(tmp_path / "images", 6)
    options = {**TINY_HOUSE, "backbone": "resnet18", "precision": "fp32", "epochs": 1, "size": size}
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


def test_a_network_tells_the_classes_that_its_weights_know(tmp_path):
    image = draw(tmp_path / "one.png")
    (one,) = predict("efficientnet_lite0", image).predictions
    assert len(one.probabilities) == 1000
    assert {"bee", "tiger cat", "crane (n02012849)", "crane (n03126707)"} <= one.probabilities.keys()
    assert sum(one.probabilities.values()) == pytest.approx(1, abs=1e-5)
    assert one.predicted == max(one.probabilities, key=one.probabilities.get)
    known = zoo.card("efficientnet_lite0").preprocessing
    pixels = decode(image.read_bytes(), resize=known.resize, size=known.size, interpolation=known.interpolation).pixels
    with torch.inference_mode():
        scores = network("efficientnet_lite0", weights="imagenet").eval()(
            normalized(torch.from_numpy(pixels)[None], known)
        )
    torch.testing.assert_close(torch.tensor(list(one.probabilities.values())), scores.softmax(1)[0], atol=1e-5, rtol=0)


def test_a_network_of_ones_own_weights(tmp_path):
    image = draw(tmp_path / "one.png")
    torch.manual_seed(0)
    torch.save(zoo.network("house").state_dict(), tmp_path / "w.pth")
    record = predict("house", image, weights=tmp_path / "w.pth")
    assert record.run == "house"
    assert len(record.predictions[0].probabilities) == 200
    assert record.predictions != predict("house", image).predictions
    torch.save(zoo.network("house", classes=3).state_dict(), tmp_path / "three.pth")
    with pytest.raises(UsageError, match="does not have the 200 classes of tiny_imagenet"):
        predict("house", image, weights=tmp_path / "three.pth")


@pytest.mark.parametrize(
    ("name", "weights", "told"),
    [
        (
            "efficientnet_lit0",
            None,
            "unknown run folder or network 'efficientnet_lit0': did you mean efficientnet_lite0",
        ),
        ("efficientnet_lite0", "random", "efficientnet_lite0 without trained weights can only guess"),
        ("preact_resnet110", None, "preact_resnet110 without trained weights can only guess"),
        (
            "efficientnet_lite0",
            "imagnet",
            "no weights 'imagnet' of efficientnet_lite0 are known; published for it: imagenet",
        ),
    ],
)
def test_what_can_tell_no_class_is_refused(tmp_path, name, weights, told):
    with pytest.raises(UsageError, match=told):
        predict(name, draw(tmp_path / "one.png"), weights=weights)


def test_a_run_has_its_own_weights(run, tmp_path):
    with pytest.raises(UsageError, match="a run has its own weights"):
        predict(run, draw(tmp_path / "one.png"), weights="imagenet")
