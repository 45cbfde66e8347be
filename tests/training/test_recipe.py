import pytest

from convlens.core.errors import UsageError
from convlens.training.recipe import Recipe


def test_a_recipe_survives_toml() -> None:
    recipe = Recipe(backbone="vgg16", freeze="conv", learning_rate=0.003, augment=False)
    assert Recipe.from_toml(recipe.to_toml()) == recipe


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("epochs", 0, r"--epochs 0: Input should be greater than or equal to 1"),
        ("learning_rate", -1.0, r"--learning-rate -1\.0: Input should be greater than 0"),
        ("learning_rate", float("nan"), r"--learning-rate nan"),
        ("batch_size", 0, r"--batch-size 0"),
        ("size", 7, r"--size 7: Input should be greater than or equal to 16"),
        ("val_fraction", 1.0, r"--val-fraction 1\.0"),
        ("smell", "red", r"--smell red: Extra inputs are not permitted"),
    ],
)
def test_values_out_of_range_are_named_as_options(field: str, value: object, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Recipe.of(**{field: value})
