"""The recipe is written once: options, keywords, schema, comments and tables have its fields, and no others."""

import re
import runpy
import tomllib
import types
import typing
from pathlib import Path

import pytest
from typer.core import TyperGroup
from typer.main import get_command

from convlens.cli.compare import CompareCommand
from convlens.cli.main import app
from convlens.comparison.tricks import PLAIN, TRICKS
from convlens.core.errors import UsageError
from convlens.pipeline.changes import RecipeChanges
from convlens.pipeline.resolve import resolved_recipe
from convlens.tasks import train as task
from convlens.training.recipe import FORMER_NAMES, SETTINGS, Recipe
from tests.images import TINY_HOUSE, TINY_OPTIONS, draw_images

DOCS = Path(__file__).parents[2] / "docs"
OWN = {"folder", "recipe", "out", "budget", "resume", "checkpoint_minutes", "json", "quiet", "help"}


def commands(command=None, name="convlens", parent=None):
    """The context of every command, groups included."""
    command = command or get_command(app)
    context = command.make_context(
        name, [], parent=parent, resilient_parsing=True, terminal_width=80, max_content_width=80
    )
    yield context
    if isinstance(command, TyperGroup):
        for below, one in command.commands.items():
            yield from commands(one, below, context)


CONTEXTS = {context.command_path.removeprefix("convlens").strip(): context for context in commands()}


def options_of(command):
    context = CONTEXTS[command]
    return {parameter.name: parameter for parameter in context.command.get_params(context)}


def test_train_has_an_option_for_every_field():
    options = options_of("train")
    assert set(options) - OWN == set(SETTINGS) | set(FORMER_NAMES)
    for name, one in SETTINGS.items():
        assert options[name].opts == [one.flag]
        assert options[name].default == one.initial
        assert options[name].rich_help_panel == one.panel
        assert not options[name].hidden


def test_compare_has_one_for_every_common_field_with_the_defaults_of_plain_gradient_descent():
    options = options_of("compare")
    common = {name for name, one in SETTINGS.items() if one.common}
    assert common <= set(options)
    assert not (set(SETTINGS) - common) & set(options)
    plain = Recipe.of(**PLAIN)
    for name in common:
        assert options[name].default in (None, "auto", getattr(plain, name))
    assert [shown.setting.name for shown in CompareCommand("compare").shown_settings()] == [
        name for name in SETTINGS if name in common
    ]


def test_former_names_are_hidden_options():
    options, context = options_of("train"), CONTEXTS["train"]
    for former in FORMER_NAMES:
        assert options[former].hidden
        assert f"--{former.replace('_', '-')} " not in context.command.get_help(context)


@pytest.mark.parametrize(
    ("former", "value"),
    [("reopen", 1), ("reopened_lr", 0.25), ("depth_lr", 0.5), ("views", 2), ("progressive", 0.5), ("colour", 0.3)],
)
def test_former_names_still_work_as_options_and_keywords(convlens, tmp_path, monkeypatch, former, value):
    seen = []

    def stop(folder, recipe, *rest):
        seen.append(recipe)
        raise UsageError("stopped here")

    monkeypatch.setattr(task, "_run", stop)
    plan = "none" if former == "progressive" else "backbone"
    words = (*TINY_OPTIONS, "--freeze", plan, f"--{former.replace('_', '-')}", value)
    assert convlens("train", tmp_path, *words).err == "convlens: stopped here\n"
    with pytest.raises(UsageError, match="stopped here"):
        task.train(tmp_path, freeze=plan, **TINY_HOUSE, **{former: value})
    assert [getattr(recipe, FORMER_NAMES[former]) for recipe in seen] == [value, value]
    assert seen[0] == seen[1]


def test_a_setting_given_by_both_names_is_refused(convlens, tmp_path):
    outcome = convlens("train", draw_images(tmp_path / "images"), *TINY_OPTIONS, "--views", 1, "--augmented-copies", 2)
    assert outcome.code == 2
    assert "--views is the former name of --augmented-copies; give --augmented-copies alone" in outcome.err


def test_keywords_are_the_fields_with_types_that_take_their_values():
    hints = typing.get_type_hints(RecipeChanges)
    assert list(hints) == list(SETTINGS)
    for name, hint in hints.items():
        taken = typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
        field = Recipe.model_fields[name].annotation
        if typing.get_origin(field) is typing.Literal:
            assert set(typing.get_args(hint)) == {*typing.get_args(field), SETTINGS[name].initial}
        else:
            assert field in taken
            assert (type(None) in taken) == (SETTINGS[name].initial is None)


def test_the_schema_has_the_help():
    properties = Recipe.model_json_schema()["properties"]
    assert {name: one["description"] for name, one in properties.items()} == {
        name: one.help for name, one in SETTINGS.items()
    }
    assert properties["epochs"]["minimum"] == 1


def test_a_recipe_toml_explains_every_field():
    text = Recipe().to_toml()
    assert tomllib.loads(text) == Recipe().model_dump()
    for name, one in SETTINGS.items():
        assert f"# {one.help}\n{name} = " in text


def test_train_without_a_recipe_derives_what_the_default_one_leaves_open():
    recipe = resolved_recipe(None, backbone="resnet18")
    assert (recipe.weights, recipe.size, recipe.precision) == ("imagenet", 224, "auto")
    assert resolved_recipe(Recipe()) == Recipe(device=recipe.device)
    assert resolved_recipe(Recipe(epochs=3), epochs=4).epochs == 4


@pytest.mark.parametrize("page", ["cli.md", "options.md"])
def test_the_reference_is_current(page):
    made = runpy.run_path(str(DOCS / "make_reference.py"))["PAGES"][page]()
    assert (DOCS / page).read_text(encoding="utf-8") == made, "run `make reference`"


def test_what_studies_found_is_told_as_their_records_say():
    made = runpy.run_path(str(DOCS / "make_studies.py"))["text"]()
    assert (DOCS / "studies" / "README.md").read_text(encoding="utf-8") == made, "run `make reference`"


def test_no_study_of_the_documents_names_a_place_on_a_machine():
    for path in (DOCS / "studies").glob("*/*.json"):
        assert not re.search(r"/(tmp|home|root|work|Users)/", path.read_text()), path


def test_every_command_and_setting_is_in_the_reference():
    headings = re.findall(r"^## convlens ?(.*)$", (DOCS / "cli.md").read_text(), flags=re.M)
    assert headings == list(CONTEXTS)
    rows = re.findall(r"^\| (?:\*\*)?`(\w+)`", (DOCS / "options.md").read_text(), flags=re.M)
    assert rows == list(SETTINGS)


@pytest.mark.parametrize("path", CONTEXTS)
def test_help_shows_no_types_of_python(path):
    context = CONTEXTS[path]
    text = context.command.get_help(context)
    assert not re.search(r"<\w+|list\[|[{}]|Optional|None\b", text)


@pytest.mark.parametrize("path", CONTEXTS)
def test_every_option_is_explained(path):
    context = CONTEXTS[path]
    for parameter in context.command.get_params(context):
        assert parameter.help, parameter.name
        assert parameter.help.rstrip(")").endswith("."), parameter.name


def test_every_summary_is_shown_whole_in_80_columns():
    context = CONTEXTS[""]
    text = context.command.get_help(context)
    assert "..." not in text.partition("Commands:")[2]
    for name, command in context.command.commands.items():
        summary = command.help.strip().partition("\n")[0]
        assert f"\n  {name:9} {summary}\n" in text + "\n"


def test_the_help_of_compare_names_every_trick():
    named = options_of("compare")["tricks"].help.partition(": ")[2].partition(". Default")[0]
    assert sorted(named.split(", ")) == sorted(TRICKS)
