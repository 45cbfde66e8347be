"""Recipes and what a person changes about them."""

import pytest

from convlens.core.errors import UsageError
from convlens.pipeline.resolve import changed_recipe, resolved_recipe
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
    assert (found.weights, found.size) == ("random", 224)
    kept = changed_recipe(Recipe(weights="imagenet", size=96), backbone="resnet18", weights="imagenet", size=96)
    assert (kept.weights, kept.size) == ("imagenet", 96)


def test_former_names_are_taken_and_unknown_ones_are_refused():
    assert changed_recipe(Recipe(), views=2).augmented_copies == 2
    with pytest.raises(UsageError, match="unknown field of the recipe 'epoch': did you mean epochs"):
        changed_recipe(Recipe(), epoch=2)
