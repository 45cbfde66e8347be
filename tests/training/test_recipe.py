import re

import pytest

from convlens.core.errors import UsageError
from convlens.training.recipe import Recipe


def test_a_recipe_survives_toml() -> None:
    recipe = Recipe(backbone="vgg16", freeze="conv", learning_rate=0.003, augment=False)
    assert Recipe.from_toml(recipe.to_toml()) == recipe


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("epochs", 0, r"epochs=0 must be at least 1"),
        ("learning_rate", -1.0, r"learning_rate=-1\.0 must be greater than 0"),
        ("learning_rate", float("nan"), r"learning_rate=nan"),
        ("batch_size", 0, r"batch_size=0"),
        ("size", 7, r"size=7 must be at least 16"),
        ("val_fraction", 1.0, r"val_fraction=1\.0"),
        ("smell", "red", r"unknown field of the recipe 'smell'"),
    ],
)
def test_values_out_of_range_are_named_as_options(field: str, value: object, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Recipe.of(**{field: value})


_NUMBERS = [name for name, field in Recipe.model_fields.items() if field.annotation in (int, float)]


@pytest.mark.parametrize("name", _NUMBERS)
@pytest.mark.parametrize("value", [float("inf"), float("-inf"), float("nan"), 10**30, -1])
def test_every_number_is_finite_and_in_range(name: str, value: float) -> None:
    with pytest.raises(UsageError, match=re.escape(f"{name}={value} must be ")):
        Recipe.of(**{name: value})


def test_every_number_has_both_bounds() -> None:
    assert len(_NUMBERS) > 25
    for name in _NUMBERS:
        bounds = {type(one).__name__ for one in Recipe.model_fields[name].metadata}
        assert bounds & {"Ge", "Gt"}, name
        assert bounds & {"Le", "Lt"}, name
