"""Tasks have the names that the field gives them; files of before are read by the names that they had."""

import json
from pathlib import Path

import pytest

from convlens.core.bundle import Bundle
from convlens.core.kinds.registry import KINDS
from convlens.core.run import RunRecord
from convlens.core.task import FORMER_TASK_NAMES, TASK_NAMES, first_task_name, present_task_name
from convlens.training.recipe import Recipe
from convlens.training.tasks import TASKS

BEFORE = Path(__file__).parents[1] / "golden" / "before"


def test_every_task_has_one_kind_and_one_class() -> None:
    assert list(KINDS) == list(TASKS) == list(TASK_NAMES) == list(FORMER_TASK_NAMES.values())
    assert all(KINDS[name].name == name and task.kind is KINDS[name] for name, task in TASKS.items())


@pytest.mark.parametrize("task", TASK_NAMES)
def test_a_run_of_before(task: str) -> None:
    text = (BEFORE / task / "run.json").read_text()
    assert json.loads(text)["target"] == first_task_name(task) != task
    record = RunRecord.from_json(text, "run.json")
    assert (record.task, record.validation.task) == (task, task)
    assert RunRecord.from_json(record.to_json(), "run.json") == record
    assert json.loads(record.to_json())["task"] == task
    assert Bundle.from_json((BEFORE / task / "model.json").read_text(), "model.json").task == task


@pytest.mark.parametrize(("former", "task"), [*FORMER_TASK_NAMES.items(), ("auto", "auto")])
def test_a_recipe_of_before_is_read_and_known_again(former: str, task: str) -> None:
    recipe = Recipe.from_toml(f'learn = "{former}"')
    assert recipe.task == task == present_task_name(former)
    assert recipe == Recipe.of(task=former) == Recipe.of(task=task)
    identity = recipe.identity()
    assert identity["learn"] == former
    assert "task" not in identity
