"""Training within a budget: the recipe is chosen first, and the run says how."""

import pytest

from convlens.core.errors import UsageError
from convlens.runs.run_directory import read_begun, reserved_run_directory
from convlens.tasks.train import train
from convlens.training.recipe import Recipe
from tests.images import draw_images


def test_within_a_budget_the_recipe_is_chosen_first(tmp_path, monkeypatch):
    monkeypatch.setattr("convlens.comparison.search.at_hand", lambda: ["house"])
    images = draw_images(tmp_path / "images", 10)
    record = train(images, budget=600, backbone="house", size=32, out=tmp_path / "run")
    assert record.chosen_by is not None
    chosen = record.chosen_by.tried[record.chosen_by.chosen]
    assert (record.recipe["head"], record.chosen_by.images) == (chosen.head, record.images.train)
    assert {name: record.recipe[name] for name in chosen.settings} == chosen.settings
    assert f"{chosen.name} (chosen)" in (tmp_path / "run" / "report.html").read_text()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"budget": 0.0}, "budget=0.0: give a number of seconds"),
        ({"budget": 9.0, "recipe": Recipe()}, "nothing to choose"),
    ],
)
def test_a_budget_that_chooses_nothing_is_refused(tmp_path, options, message):
    with pytest.raises(UsageError, match=message):
        train(draw_images(tmp_path / "images", 4), **options)


def test_a_budget_is_not_spent_on_a_run_that_cannot_be_written(tmp_path):
    with pytest.raises(UsageError, match="already exists"):
        train(draw_images(tmp_path / "images", 4), budget=9.0, out=tmp_path)


def test_an_unfinished_run_remembers_the_search(tmp_path, monkeypatch):
    monkeypatch.setattr("convlens.comparison.search.at_hand", lambda: ["house"])
    record = train(draw_images(tmp_path / "images", 10), budget=600, backbone="house", size=32, out=tmp_path / "run")
    recipe = Recipe.of(**record.recipe)
    with reserved_run_directory(tmp_path / "other", tmp_path / "images", recipe, record.chosen_by):
        assert read_begun(tmp_path / "other").chosen_by == record.chosen_by
