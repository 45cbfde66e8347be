"""The records of a comparison: those of before are read, and backbones are told by their cost."""

import json

import pytest

from convlens.core.comparison import BackboneCost, ComparedRecipe, by_cost

BEFORE = """{
  "name": "base", "does": "the base recipe", "recipe": {"backbone": "house"}, "trained_parameters": 514,
  "runs": [], "accuracy": 0.9, "interval": [0.8, 0.95], "difference": 0.0, "difference_interval": [0.0, 0.0],
  "p_value": 1.0, "verdict": "base", "sentence": "The base.", "seconds": 1.0, "train_loss": 0.1, "val_loss": 0.2
}"""
COST = BackboneCost(
    backbone="house",
    size=64,
    precision="fp32",
    parameters=2_820_788,
    multiply_adds=120_465_664,
    uncounted=[],
    images_per_second=80.0,
    sample=64,
    extract_seconds=5.0,
    extract_measured=True,
    images=400,
    bytes_per_image=1024,
)


def test_a_row_of_before_has_no_cost():
    row = ComparedRecipe.from_json(BEFORE, "comparison.json")
    assert (row.value, row.cost, row.network) == (0.9, None, "base")
    assert by_cost([row]) == []


def test_a_cost_survives_the_file():
    row = ComparedRecipe.from_json(json.dumps({**json.loads(BEFORE), "cost": COST.model_dump()}), "comparison.json")
    assert row.cost == COST
    assert ComparedRecipe.from_json(row.to_json(), "comparison.json") == row
    assert row.cost.feature_bytes == 409_600


@pytest.mark.parametrize(("verdict", "network"), [("base", "house"), ("helps", "house=random")])
def test_the_base_is_called_by_its_backbone(verdict, network):
    row = ComparedRecipe.from_json(BEFORE, "comparison.json")
    found = row.model_copy(update={"name": "house=random", "verdict": verdict, "cost": COST})
    assert found.network == network


def test_the_cheapest_comes_first():
    row = ComparedRecipe.from_json(BEFORE, "comparison.json")
    costs = [COST.model_copy(update={"multiply_adds": number}) for number in (3, 1, 2)]
    rows = [row.model_copy(update={"cost": cost}) for cost in costs]
    assert [cost.multiply_adds for _, cost in by_cost([rows[0], row, *rows[1:]])] == [1, 2, 3]
