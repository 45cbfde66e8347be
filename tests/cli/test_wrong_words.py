"""Words of other tools, arguments in the wrong order, places that cannot be written: told before any work."""

import json
import os

import pytest

from convlens.cli.wrong_words import _ALIASES, _NO_OPTION
from convlens.training.recipe import SETTINGS
from tests.cli import process
from tests.images import TINY_OPTIONS, draw, draw_images


@pytest.fixture(scope="module")
def made(tmp_path_factory, module_cache):
    """A folder of images and a run on it."""
    folder = tmp_path_factory.mktemp("words")
    draw_images(folder / "images")
    done = process.run("train", folder / "images", *TINY_OPTIONS, "--out", folder / "run")
    assert done.returncode == 0, done.stderr
    return folder


def refusal(outcome, code=2):
    assert (outcome.code, outcome.out) == (code, ""), outcome
    assert "Traceback" not in outcome.err
    return outcome.err.removeprefix("convlens: ")


@pytest.mark.parametrize(
    ("option", "ours"),
    [
        ("--lr", "--learning-rate"),
        ("--bs", "--batch-size"),
        ("--model", "--backbone"),
        ("--arch", "--backbone"),
        ("--imgsz", "--size"),
        ("--batch_size", "--batch-size"),
        ("--patience", "--early-stopping"),
        ("--output-dir", "--out"),
    ],
)
def test_what_other_tools_call_an_option(convlens, option, ours):
    told = refusal(convlens("train", "x", option, "3"))
    assert told.startswith(f"no such option: {option}")
    assert ours in told
    assert "--color" not in told


@pytest.mark.parametrize("option", ["--data", "--workers", "--pretrained", "--num-classes"])
def test_what_other_tools_have_an_option_for(convlens, option):
    assert _NO_OPTION[option[2:]] in refusal(convlens("train", "x", option, "3"))


def test_a_command_is_not_pointed_to_options_of_another(convlens):
    assert "--learning-rate" not in refusal(convlens("predict", "run", "x.png", "--lr", "3"))


def test_aliases_lead_to_options_and_none_to_two():
    names = [name for others in _ALIASES.values() for name in others] + list(_NO_OPTION)
    assert len(set(names)) == len(names)
    ours = {one.flag for one in SETTINGS.values()}
    assert set(_ALIASES) - ours == {"--out", "--folds", "--side", "--target", "--quiet"}
    assert not {f"--{name}" for others in _ALIASES.values() for name in others} & (ours - {"--weights", "--split"})


def test_options_of_before_are_not_suggested(convlens):
    assert "--colour" not in refusal(convlens("train", "x", "--colou", "3"))


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["train", "x", "--epochs", "many"], "'--epochs': 'many' must be a whole number."),
        (["train", "x", "--learning-rate", "fast"], "'--learning-rate': 'fast' must be a number."),
        (["zoo", "show", "house", "--depth", "two"], "'--depth': 'two' must be a whole number."),
        (["explain", "house", "--mistakes", "-1"], "'--mistakes'"),
    ],
)
def test_values_are_refused_in_words_of_ours(convlens, words, told):
    message = refusal(convlens(*words))
    assert told in message
    assert "Input should" not in message


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("epochs = 'x'", "--epochs x must be a whole number."),
        ("augment = 3", "--augment 3 must be true or false."),
        ("optimizer = 'lion'", "must be one of sgd, adam, adamw."),
        ("fold = '2'", "--fold 2 must have the form K/N."),
        ("backbone = 7", "--backbone 7 must be text."),
        ("momentum = 1.0", "--momentum 1 must be less than 1."),
    ],
)
def test_values_of_a_recipe_are_refused_in_words_of_ours(convlens, tmp_path, text, told):
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(text)
    assert told in refusal(convlens("train", tmp_path, "--recipe", recipe))


def test_a_recipe_with_a_byte_order_mark(convlens, tmp_path, made):
    recipe = tmp_path / "recipe.toml"
    recipe.write_bytes(b"\xef\xbb\xbf" + (made / "run" / "recipe.toml").read_bytes())
    outcome = convlens("train", made / "images", "--recipe", recipe, "--out", tmp_path / "run", "--json")
    assert json.loads(outcome.out)["recipe"]["backbone"] == "house"


def test_a_recipe_in_another_encoding(convlens, tmp_path):
    recipe = tmp_path / "recipe.toml"
    recipe.write_text("epochs = 3\n", encoding="utf-16")
    assert "is not UTF-8 text" in refusal(convlens("train", tmp_path, "--recipe", recipe), 3)


@pytest.mark.parametrize(
    ("command", "first", "second"),
    [
        ("predict", "images/blue/000.png", "run"),
        ("predict", "images", "run"),
        ("explain", "images/blue/000.png", "run"),
        ("evaluate", "images", "run"),
    ],
)
def test_arguments_in_the_wrong_order(convlens, made, command, first, second):
    told = refusal(convlens(command, made / first, made / second))
    what = "a folder" if first == "images" else "a file"
    assert told.startswith(f"{made / first} is {what} and {made / second} is a run: their order is wrong. Give ")


@pytest.mark.parametrize("command", ["predict", "explain"])
def test_an_image_before_a_network(convlens, made, command):
    told = refusal(convlens(command, made / "images" / "blue" / "000.png", "house"))
    assert "is a file and house is a network: their order is wrong. Give house first." in told


@pytest.mark.parametrize("command", [("explain",), ("predict", "x.png"), ("evaluate", "y")])
def test_a_folder_that_is_no_run(convlens, made, command):
    told = refusal(convlens(command[0], made / "images", *command[1:]))
    assert "is a folder, but not a finished run: it holds no model.json." in told


def test_a_folder_to_explain(convlens, made):
    told = refusal(convlens("explain", made / "run", made / "images", "--out", made / "page.html"))
    assert "one image is explained at a time" in told


def test_a_folder_in_the_place_of_a_page_is_told_before_the_work(convlens, made, tmp_path, monkeypatch):
    monkeypatch.setattr("convlens.tasks.explain.explain", None)
    told = refusal(convlens("explain", made / "run", "--out", tmp_path))
    assert told.startswith(f"--out {tmp_path} is a folder. Give the name of a file")
    (tmp_path / "file").touch()
    assert "is a file, not a folder" in refusal(
        convlens("explain", made / "run", "--out", tmp_path / "file" / "x.html")
    )


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_may_not_be_written(convlens, made, tmp_path):
    tmp_path.chmod(0o500)
    told = refusal(convlens("explain", made / "run", "--out", tmp_path / "a" / "page.html"), 4)
    assert told.startswith(f"no access to {tmp_path}")


@pytest.mark.parametrize(
    "words", [("predict", "RUN", "LONG"), ("explain", "RUN", "--out", "LONG"), ("predict", "LONG", "x")]
)
def test_a_name_that_is_too_long(convlens, made, words):
    given = {"RUN": made / "run", "LONG": made / ("x" * 300)}
    told = refusal(convlens(*(given.get(word, word) for word in words)))
    assert f"{'x' * 40}...' has 300 characters" in told
    assert "permission" not in told


@pytest.mark.parametrize("name", ["efficientnet_b0", "vit", "convnext_tiny", "ViT-B-16", "swin_t"])
def test_networks_of_timm(convlens, made, name):
    told = refusal(convlens("train", made / "images", "--backbone", name))
    assert f"unknown network '{name}'" in told
    assert "--backbone timm:" in told


def test_zoo_list(convlens):
    assert convlens("zoo", "list") == convlens("zoo")


def test_standard_error_that_cannot_be_written(made):
    photo = made / "images" / "blue" / "000.png"
    for closed in ("2>/dev/full", "2>&-"):
        shell = ["sh", "-c", f'exec "$0" "$@" {closed}']
        done = process.run("predict", made / "run", photo, command=[*shell, *process.CONVLENS])
        assert (done.returncode, done.stderr) == (0, "")
        assert "000.png" in done.stdout
        assert process.run("predict", made / "run", "none.png", command=[*shell, *process.CONVLENS]).returncode == 2


def test_an_image_alone_is_no_run(convlens, tmp_path):
    told = refusal(convlens("explain", draw(tmp_path / "one.png")))
    assert "is a file, but not a finished run." in told
