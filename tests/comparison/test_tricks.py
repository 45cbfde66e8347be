import pytest

from convlens.comparison.tricks import PLAIN, TRICKS, together, trick
from convlens.core.errors import UsageError
from convlens.training.recipe import Recipe

BASE = Recipe.of(**PLAIN)


@pytest.mark.parametrize("name", TRICKS)
def test_every_trick_makes_another_recipe_of_the_base_and_says_what_it_does(name: str) -> None:
    changed = trick(name).apply(BASE)
    assert changed != BASE
    assert Recipe.of(**changed.model_dump()) == changed
    assert trick(name).does


@pytest.mark.parametrize("name", TRICKS)
def test_a_trick_is_the_same_twice_unless_it_adds_something(name: str) -> None:
    once = trick(name).apply(BASE)
    twice = trick(name).apply(once)
    added = {
        "unfreeze": {"unfreeze"},
        "tenth-rate": {"unfreeze"},
        "adam": {"learning_rate"},
        "adamw": {"learning_rate"},
    }
    different = {field for field in Recipe.model_fields if getattr(once, field) != getattr(twice, field)}
    assert different == added.get(name, set())


def test_together_the_last_of_those_that_exclude_each_other_counts() -> None:
    chosen = [TRICKS[name] for name in ("momentum", "dropout", "adam", "cosine", "step")]
    both = together(chosen)
    recipe = both.apply(BASE)
    assert (recipe.optimizer, recipe.momentum, recipe.schedule, recipe.dropout) == ("adam", 0.0, "step", 0.5)
    assert both.does == "dropout, adam and step"


def test_reopening_leaves_other_freeze_plans_as_they_are() -> None:
    unfrozen = BASE.model_copy(update={"freeze": "layer3"})
    assert trick("tenth-rate").apply(unfrozen).unfreeze == 0
    assert trick("tenth-rate").apply(unfrozen).backbone_lr == 0.1


def test_unknown_tricks_are_refused_with_the_nearest() -> None:
    with pytest.raises(UsageError, match="unknown trick 'mixpu': did you mean mixup"):
        trick("mixpu")
