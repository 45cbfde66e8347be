"""What a field of the recipe says of itself."""

import pytest
from pydantic import BaseModel

from convlens.core.errors import UsageError
from convlens.training.recipe import FORMER_NAMES, SETTINGS, Recipe, affecting, affecting_only, with_present_names
from convlens.training.setting import setting, settings_of


class Small(BaseModel):
    rate: float = setting(0.5, "Rate.", "Optimization", "head", gt=0, le=1)
    kind: str = setting("a", "Kind.", "Network", "features", "examples", metavar="KIND", initial=None, common=True)


def test_a_setting_must_state_what_it_affects():
    with pytest.raises(TypeError, match="at least one of features, split, examples, head"):
        setting(1, "Help.", "Network")


def test_its_help_is_a_sentence():
    with pytest.raises(TypeError, match="is a sentence: 'half a'"):
        setting(1, "half a", "Network", "head")


def test_what_it_says_is_read_from_the_field():
    rate, kind = settings_of(Small.model_fields).values()
    assert (rate.default, rate.initial, rate.metavar, rate.accepts, rate.type) == (0.5, 0.5, "X", "> 0, ≤ 1", float)
    assert (rate.panel, rate.affects, rate.common, rate.help) == ("Optimization", {"head"}, False, "Rate.")
    assert (kind.default, kind.initial, kind.metavar, kind.flag) == ("a", None, "KIND", "--kind")
    assert (kind.affects, kind.common) == ({"features", "examples"}, True)


def test_a_field_that_is_no_setting_is_refused():
    class Other(BaseModel):
        bare: int = 1

    with pytest.raises(TypeError, match="bare is not a field that `setting` made"):
        settings_of(Other.model_fields)


def test_every_field_of_the_recipe_states_all_of_it():
    assert list(SETTINGS) == list(Recipe.model_fields)
    assert len({one.help for one in SETTINGS.values()}) == len(SETTINGS)
    for one in SETTINGS.values():
        assert one.help[0].isupper()
        assert one.affects
        assert one.metavar or one.type is bool


def test_what_only_the_head_depends_on():
    """Whoever adds one here says that heads which differ in it may train side by side."""
    assert set(affecting_only("head")) == {
        *("learning_rate", "optimizer", "schedule", "warm_up", "momentum", "nesterov", "weight_decay", "clip"),
        *("ema", "early_stopping", "class_weights", "label_smoothing", "calibrate"),
    }
    assert set(affecting("features")) == {
        *(
            "backbone",
            "pooling",
            "weights",
            "fit",
            "freeze",
            "unfreeze",
            "size",
            "precision",
            "progressive_resizing",
            "device",
        ),
        *("epochs", "head", "seed"),  # each on a condition
    }


@pytest.mark.parametrize(("former", "name"), FORMER_NAMES.items())
def test_former_names_are_understood(former, name):
    assert with_present_names({former: 1, "epochs": 2}) == {name: 1, "epochs": 2}
    with pytest.raises(UsageError, match=f"is the former name of {name}; give {name} alone"):
        with_present_names({former: 1, name: 1})
