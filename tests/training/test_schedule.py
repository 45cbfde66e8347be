import pytest

from convlens.training.recipe import Recipe
from convlens.training.schedule import learning_rate

RECIPE = Recipe(epochs=10, learning_rate=0.5)


def test_learning_rate_falls_along_a_cosine() -> None:
    assert learning_rate(RECIPE, 0.0) == 0.5
    assert learning_rate(RECIPE, 0.5) == pytest.approx(0.25)
    assert learning_rate(RECIPE, 1.0) == pytest.approx(0.0)
    assert learning_rate(RECIPE.model_copy(update={"schedule": "constant"}), 0.7) == 0.5


@pytest.mark.parametrize("schedule", ["cosine", "constant"])
def test_it_rises_first_where_there_is_a_warm_up(schedule: str) -> None:
    recipe = RECIPE.model_copy(update={"schedule": schedule, "warm_up": 2.0})
    assert [learning_rate(recipe, done) for done in (0.0, 0.1)] == [0.0, pytest.approx(0.25)]
    assert learning_rate(recipe, 0.2) == pytest.approx(0.5)
    assert learning_rate(recipe, 0.6) == pytest.approx(0.25 if schedule == "cosine" else 0.5)


def test_a_warm_up_that_never_ends() -> None:
    recipe = RECIPE.model_copy(update={"warm_up": 10.0})
    assert learning_rate(recipe, 0.999) == pytest.approx(0.4995)
    assert learning_rate(recipe, 1.0) == pytest.approx(0.0, abs=1e-9)
