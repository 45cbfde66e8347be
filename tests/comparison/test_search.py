"""Search: what is tried, on which images, and what is left out."""

import dataclasses

import pytest

from convlens.comparison import search as module
from convlens.comparison.search import Found, candidates, search, training_images
from convlens.core.errors import UsageError
from convlens.core.progress import silent, unsaid
from convlens.core.settings import as_keywords
from convlens.data.manifest import Manifest
from convlens.data.scan import scan
from convlens.training.recipe import Recipe
from tests.images import draw_images

BASE = Recipe(backbone="house", weights="package", size=32, epochs=1, precision="fp32", training_precision="fp32")


@pytest.fixture
def manifest(tmp_path) -> Manifest:
    for side, count in (("train", 8), ("val", 3), ("test", 2)):
        draw_images(tmp_path / "images" / side, count, first={"train": 0, "val": 20, "test": 40}[side])
    return scan(tmp_path / "images", silent)


@pytest.fixture
def only_house(monkeypatch):
    monkeypatch.setattr(module, "at_hand", lambda: ["house"])


def found(manifest: Manifest, base: Recipe = BASE, asked=("size",), seconds: float = 600) -> Found:
    return search(manifest, base, asked, seconds=seconds, progress=silent, say=unsaid)


def without_times(result: Found) -> object:
    record = result.record
    tried = [one.model_copy(update={"seconds": 0.0}) for one in record.tried]
    return result.recipe, record.model_copy(update={"tried": tried, "seconds": 0.0})


def test_every_head_is_tried_on_the_training_images(manifest, only_house):
    recipe, record = found(manifest)
    assert (record.images, record.folds, record.left_out) == (16, 5, [])
    assert [one.head for one in record.tried] == [
        "logistic",
        "ridge",
        *["logistic"] * 3,
        *["linear"] * 2,
        "hidden",
        "hidden",
    ]
    chosen = record.tried[record.chosen]
    assert (recipe.head, recipe.backbone, recipe.fold, recipe.seed) == (chosen.head, "house", "", BASE.seed)
    assert all(one.score <= chosen.score for one in record.tried)


def test_other_images_take_no_part(manifest, only_house):
    before = without_times(found(manifest))
    others = {"val": ("green",), "test": ("blue",)}
    changed = [dataclasses.replace(one, labels=others.get(str(one.side), one.labels)) for one in manifest.images]
    assert without_times(found(dataclasses.replace(manifest, images=tuple(changed)))) == before
    alone = dataclasses.replace(manifest, images=tuple(one for one in manifest.images if one.side == "train"))
    assert without_times(found(alone)) == before


def test_images_without_sides_are_split_as_by_train(tmp_path):
    manifest = scan(draw_images(tmp_path / "images", 10), silent)
    training = training_images(manifest, BASE.model_copy(update={"fold": "2/5"}), silent, unsaid)
    assert len(training.images) == 16
    assert {one.side for one in training.images} == {None}


def test_without_time_the_first_recipe_remains(manifest, only_house):
    recipe, record = found(manifest, seconds=1e-9)
    assert [one.name for one in record.tried] == ["house, logistic, weight_decay 0.001"]
    assert record.left_out[0] == "house, ridge: the budget was used up"
    assert (recipe.head, recipe.weight_decay) == ("logistic", 1e-3)


def test_a_backbone_that_would_take_too_long_is_left_out(manifest, monkeypatch):
    monkeypatch.setattr(module, "at_hand", lambda: ["house", "efficientnet_lite0"])
    monkeypatch.setattr(
        module.SharedTraining,
        "seconds_per_image",
        lambda _, recipe: 1e6 if recipe.backbone == "efficientnet_lite0" else 0.0,
    )
    record = found(manifest).record
    assert record.left_out == ["efficientnet_lite0, logistic, weight_decay 0.001: the budget was used up"]


def test_the_better_backbone_goes_on(manifest, monkeypatch):
    monkeypatch.setattr(module, "at_hand", lambda: ["house", "efficientnet_lite0"])
    recipe, record = found(manifest, asked=("head",), base=BASE.model_copy(update={"head": "ridge"}))
    assert [one.backbone for one in record.tried] == ["house", "efficientnet_lite0"]
    assert {one.head for one in record.tried} == {"ridge"}
    assert recipe.backbone == record.tried[record.chosen].backbone
    assert recipe.size == {"house": 32, "efficientnet_lite0": 224}[recipe.backbone]


def test_rare_classes_are_split_instead_of_folded(tmp_path, only_house):
    draw_images(tmp_path / "images", 8, classes=1)
    draw_images(tmp_path / "images", 3)
    record = found(scan(tmp_path / "images", silent), asked=("head", "size", "backbone")).record
    assert (record.folds, record.method) == (0, "random splits")


def test_what_was_asked_for_stays(manifest):
    heads = candidates(BASE.model_copy(update={"weight_decay": 0.5}), {"weight_decay"}, manifest)
    assert {one.weight_decay for one in heads} == {0.5}
    assert [one.head for one in heads] == ["logistic", "ridge", "linear", "hidden", "hidden"]
    dropped = candidates(BASE.model_copy(update={"dropout": 0.3}), {"dropout"}, manifest)
    assert [one.head for one in dropped] == ["linear", "linear", "hidden"]


def test_heads_suit_the_task(manifest):
    several = candidates(BASE, (), dataclasses.replace(manifest, task="multilabel"))
    assert {one.head for one in several} == {"linear", "hidden"}
    numbers = candidates(BASE, (), dataclasses.replace(manifest, task="regression"))
    assert {one.head for one in numbers} == {"ridge", "linear", "hidden"}
    assert {one.clip for one in numbers} == {1.0}


@pytest.mark.parametrize("changes", [{"freeze": "none"}, {"unfreeze": 1}, {"augmented_copies": 2}])
def test_more_than_a_head_is_refused(manifest, changes):
    ((name, value),) = changes.items()
    with pytest.raises(UsageError) as caught:
        found(manifest, BASE.model_copy(update=changes))
    assert as_keywords(caught.value.marked).startswith(f"{name}={value!r}: a budget chooses")
