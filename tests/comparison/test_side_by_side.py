"""Which heads train at once, and in how large stacks."""

import pytest
from torch import nn

from convlens.comparison.side_by_side import in_parts, linear_head
from convlens.pipeline.prepare import prepare
from convlens.training.recipe import Recipe


@pytest.mark.parametrize(
    ("number", "largest", "lengths"),
    [(5, 9, [5]), (9, 9, [9]), (10, 9, [5, 5]), (7, 3, [2, 2, 3]), (3, 1, [1, 1, 1]), (2, 0, [1, 1])],
)
def test_parts_are_even_and_in_order(number: int, largest: int, lengths: list[int]) -> None:
    recipes = [Recipe(seed=seed) for seed in range(number)]
    parts = in_parts(recipes, largest)
    assert [len(part) for part in parts] == lengths
    assert [recipe for part in parts for recipe in part] == recipes


@pytest.mark.parametrize(
    ("changes", "at_once"),
    [
        ({}, True),
        ({"mixup": 0.2, "augmented_copies": 2, "ema": 0.9, "optimizer": "adam"}, True),
        ({"dropout": 0.5}, False),
        ({"batch_norm": True}, False),
        ({"head": "hidden"}, False),
        ({"head": "ridge"}, False),
        ({"head": "own"}, False),
        ({"unfreeze": 1}, False),
        ({"freeze": "none"}, False),
        ({"cutmix": 1.0}, False),
        ({"backbone": "squeezenet1_1", "size": 64}, False),
    ],
)
def test_only_one_linear_layer_on_stored_features_trains_at_once(changes: dict[str, object], at_once: bool) -> None:
    """The last layer of SqueezeNet is a convolution."""
    recipe = Recipe.of(**{"weights": "random", "size": 32, **changes})
    assert isinstance(linear_head(prepare(recipe, 3).cut, recipe), nn.Linear) == at_once
