"""Whole images: `fit` of the recipe, from training through to those who use the run."""

import json

import pytest
from PIL import Image

from convlens.tasks.evaluate import evaluate
from convlens.tasks.explain import explain
from convlens.tasks.predict import predict
from convlens.tasks.train import train
from convlens.training.recipe import Recipe
from tests.images import TINY_HOUSE


@pytest.fixture(scope="module")
def edges(tmp_path_factory):
    """Wide images whose class stands at their left edge alone, where no crop of the center sees it."""
    folder = tmp_path_factory.mktemp("fit") / "images"
    for name, color in (("dark", (30, 30, 30)), ("light", (230, 230, 230))):
        (folder / name).mkdir(parents=True)
        for number in range(12):
            image = Image.effect_noise((120, 32), 20 + number).convert("RGB")
            image.paste(color, (0, 0, 30, 32))
            image.save(folder / name / f"{number}.png")
    return folder


def test_whole_images_are_learned_and_used(edges, tmp_path, cache):
    accuracies = {}
    for fit in ("crop", "letterbox", "squash"):
        run = tmp_path / fit
        record = train(edges, out=run, fit=fit, **{**TINY_HOUSE, "epochs": 20, "head": "ridge"})
        accuracies[fit] = record.validation.accuracy
        used = json.loads((run / "model.json").read_text())["preprocessing"]
        assert (used["letterbox"], used["squash"]) == (fit == "letterbox", fit == "squash")
        assert used["size"] == 32
        assert record.features.computed == 24  # none are shared between ways to fit
        assert evaluate(run, edges).accuracy == record.validation.accuracy
        assert len(predict(run, edges).predictions) == 24
        assert explain(run, edges / "dark" / "0.png").explanation.input_shape[-1] == 32
    assert accuracies["squash"] == accuracies["letterbox"] == 1
    assert accuracies["crop"] < 1


def test_recipes_of_before_are_what_they_were():
    assert "fit" not in Recipe().identity()
    assert Recipe(fit="squash").identity()["fit"] == "squash"


def test_the_command(convlens, edges, tmp_path):
    options = ("--backbone", "house", "--weights", "random", "--size", "32", "--epochs", "1")
    assert convlens("train", edges, *options, "--fit", "letterbox", "--out", tmp_path / "run").code == 0
    assert "the longer side resized to 32" in convlens("evaluate", tmp_path / "run", edges).out
    assert 'fit = "letterbox"' in (tmp_path / "run" / "recipe.toml").read_text()
    wrong = convlens("train", edges, *options, "--fit", "pad", "--out", tmp_path / "other")
    assert (wrong.code, wrong.err) == (2, "convlens: --fit pad must be one of crop, letterbox, squash.\n")
