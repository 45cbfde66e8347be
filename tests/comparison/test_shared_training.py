"""Shared training: what recipes share, and what each has of its own."""

import pytest
import torch

from convlens.comparison.shared_training import SharedTraining
from convlens.core.progress import silent
from convlens.data.scan import scan
from convlens.pipeline.fit import Fitting, in_stages
from convlens.training.recipe import Recipe
from tests.images import draw_images

BASE = Recipe(backbone="house", weights="random", size=32, epochs=1, precision="fp32", training_precision="fp32")


@pytest.fixture
def shared(tmp_path) -> SharedTraining:
    return SharedTraining(scan(draw_images(tmp_path / "images", 10)), silent)


def fitting_of(shared: SharedTraining, recipe: Recipe) -> Fitting:
    return shared.fitting(recipe, shared.divided(recipe))


@pytest.mark.parametrize("changes", [{}, {"unfreeze": 1}, {"head": "hidden", "dropout": 0.5}])
def test_a_fitting_stays_as_it_is_while_others_train(shared, changes):
    recipe = BASE.model_copy(update=changes)
    first = fitting_of(shared, recipe)
    before = {name: tensor.clone() for name, tensor in first.prepared.module.state_dict().items()}
    second = fitting_of(shared, recipe)
    model, _ = in_stages(second, silent)
    after = first.prepared.module.state_dict()
    assert all(torch.equal(after[name], before[name]) for name in before)
    assert not all(torch.equal(tensor, after[name]) for name, tensor in model.parameters.items())
    assert shared.frozen_unchanged


def test_what_is_frozen_is_in_memory_once(shared):
    first, second = (fitting_of(shared, BASE).prepared for _ in range(2))
    trained = first.cut.trained_parameters.keys()
    pairs = zip(first.module.named_parameters(), second.module.named_parameters(), strict=True)
    for (name, one), (_, other) in pairs:
        assert (one is other) == (name not in trained), name
    assert first.cut.prefix.state["conv1.weight"] is second.cut.prefix.state["conv1.weight"]


def test_stored_features_have_a_pace_and_an_estimated_extraction(tmp_path):
    """The store is neither asked for it nor changed by it."""
    folder = draw_images(tmp_path / "images", 10)
    first, again = (SharedTraining(scan(folder), silent).backbone_cost(BASE) for _ in range(2))
    assert (first.extract_measured, again.extract_measured) == (True, False)
    for cost in (first, again):
        assert cost.images_per_second > 0
        assert cost.extract_seconds > 0
        assert (cost.sample, cost.images, cost.precision, cost.size) == (20, 20, "fp32", 32)
        assert cost.feature_bytes == 20 * cost.bytes_per_image == 20 * 256 * 4
    counted = ("parameters", "multiply_adds", "uncounted")
    assert [getattr(again, name) for name in counted] == [getattr(first, name) for name in counted]


def test_new_images_beside_stored_ones_do_not_count_as_all(tmp_path):
    folder = draw_images(tmp_path / "images", 4)
    SharedTraining(scan(folder), silent).backbone_cost(BASE)
    cost = SharedTraining(scan(draw_images(folder, 2, first=4)), silent).backbone_cost(BASE)
    assert (cost.images, cost.extract_measured) == (12, False)


def test_where_nothing_is_frozen_there_is_no_pace(shared):
    cost = shared.backbone_cost(BASE.model_copy(update={"freeze": "none"}))
    assert (cost.parameters, cost.multiply_adds, cost.images_per_second, cost.sample) == (0, 0, None, 0)
    assert cost.extract_measured


def test_the_pace_is_measured_on_64_images_at_most(tmp_path, monkeypatch):
    monkeypatch.setattr("convlens.comparison.shared_training._SAMPLE", 6)
    shared = SharedTraining(scan(draw_images(tmp_path / "images", 10)), silent)
    assert shared.backbone_cost(BASE).sample == 5  # every fourth of 20


def test_a_class_that_turns_out_empty_costs_a_new_head_only(tmp_path, monkeypatch):
    folder = draw_images(tmp_path / "images", 10, classes=3)
    for path in (folder / "red").iterdir():
        path.write_bytes(path.read_bytes()[:120])  # cut off within the image's data
    shared = SharedTraining(scan(folder), silent)
    monkeypatch.setattr("convlens.pipeline.prepare.loaded", _once())
    fitting = fitting_of(shared, BASE)
    assert fitting.task.names == ("blue", "green")
    assert fitting.prepared.classes == 2
    assert fitting.prepared.module.fc.out_features == 2


def _once():
    """A way to build a network that works a single time."""
    from convlens.backbones.resolve import loaded

    calls = iter([loaded])
    return lambda *words, **options: next(calls)(*words, **options)
