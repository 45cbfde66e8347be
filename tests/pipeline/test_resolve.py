"""Recipes and what a person changes about them."""

import pytest

from convlens import zoo
from convlens.backbones import resolve
from convlens.core.errors import UsageError
from convlens.pipeline.resolve import changed_recipe, read_recipe, resolved_recipe
from convlens.training.recipe import Recipe
from convlens.zoo import registry
from tests.golden.tiny import tiny


@pytest.mark.parametrize("recipe", [None, Recipe()], ids=["no recipe", "a recipe"])
def test_a_module_as_the_backbone_is_adopted(monkeypatch, recipe):
    monkeypatch.setattr(registry, "_ADOPTED", {})
    found = resolved_recipe(recipe, backbone=tiny(), size=32)
    assert (found.backbone, found.weights, found.size) == (f"module:{type(tiny()).__name__}", "given", 32)


def test_paths_are_stored_as_text(tmp_path):
    found = changed_recipe(Recipe(), weights=tmp_path / "w.pth", labels=tmp_path / "t.csv", split=tmp_path / "s.csv")
    assert [found.weights, found.labels, found.split] == [str(tmp_path / name) for name in ("w.pth", "t.csv", "s.csv")]


def test_another_backbone_brings_its_own_weights_and_size():
    found = changed_recipe(Recipe(weights="imagenet", size=96), backbone="resnet18")
    assert (found.weights, found.size) == ("imagenet", 224)
    kept = changed_recipe(Recipe(weights="imagenet", size=96), backbone="resnet18", weights="imagenet", size=96)
    assert (kept.weights, kept.size) == ("imagenet", 96)


def test_former_names_are_taken_and_unknown_ones_are_refused():
    assert changed_recipe(Recipe(), views=2).augmented_copies == 2
    with pytest.raises(UsageError, match="unknown field of the recipe 'epoch': did you mean epochs"):
        changed_recipe(Recipe(), epoch=2)


@pytest.mark.parametrize(
    ("backbone", "weights", "size"),
    [
        ("efficientnet_lite1", "imagenet", 240),
        ("house", "package", 64),
        ("resnet18", "imagenet", 224),
        ("resnet56", "cifar10", 32),
        ("timm:resnet18", "pretrained", 224),
    ],
)
def test_a_backbone_means_its_trained_weights(monkeypatch, backbone, weights, size):
    monkeypatch.setattr(resolve, "make_known", lambda name: None)
    monkeypatch.setattr(resolve, "card", lambda name: zoo.card(name.removeprefix("timm:")))
    found = resolved_recipe(None, backbone=backbone, size=size)
    assert found.weights == weights
    if not backbone.startswith("timm:"):
        assert resolved_recipe(None, backbone=backbone).size == size


def test_the_default_backbone_is_trained():
    found = resolved_recipe(None)
    assert (found.backbone, found.weights, found.size) == ("efficientnet_lite0", "imagenet", 224)
    assert Recipe().model_copy(update={"precision": "auto", "device": found.device}) == found


@pytest.mark.parametrize("freeze", ["backbone", "conv", "features"])
def test_random_layers_are_never_frozen_unasked(freeze):
    with pytest.raises(UsageError, match=r"no trained weights of lenet5 are known.*freeze='none'.*weights='random'"):
        resolved_recipe(None, backbone="lenet5", freeze=freeze)
    assert resolved_recipe(None, backbone="lenet5", freeze=freeze, weights="random").weights == "random"
    assert resolved_recipe(None, backbone="lenet5", freeze="none").weights == "random"


@pytest.mark.parametrize(
    ("text", "weights", "size"),
    [
        ('backbone = "house"', "package", 64),
        ('backbone = "house"\nsize = 96', "package", 96),
        ('backbone = "resnet18"\nweights = "random"', "random", 224),
        ("epochs = 3", "imagenet", 224),
    ],
)
def test_a_file_that_names_a_backbone_alone_means_its_weights_and_size(tmp_path, text, weights, size):
    (tmp_path / "recipe.toml").write_text(text)
    found = read_recipe(tmp_path / "recipe.toml")
    assert (found.weights, found.size) == (weights, size)


def test_a_whole_recipe_is_read_as_it_was_written(tmp_path):
    written = Recipe(backbone="resnet18", weights="random", size=96, device="cpu", precision="bf16")
    (tmp_path / "recipe.toml").write_text(written.to_toml())
    assert read_recipe(tmp_path / "recipe.toml") == written


def test_what_is_wrong_in_a_file_is_said_with_its_name(tmp_path):
    (tmp_path / "recipe.toml").write_text('epochs = "many"')
    with pytest.raises(UsageError, match=r"recipe\.toml: epochs='many' must be a whole number\."):
        read_recipe(tmp_path / "recipe.toml")
