"""Recipes from files, and what a person changes about them."""

import tomllib
from pathlib import Path

from convlens.backbones.resolve import weights_named
from convlens.core.errors import DataError, UsageError, unknown_name
from convlens.core.task import TaskName
from convlens.training.recipe import Recipe
from convlens.training.tasks import TASKS
from convlens.transfer.device import resolve_device
from convlens.transfer.precision import known_precision
from convlens.zoo import card


def changed_recipe(recipe: Recipe | str | Path, **changes: object) -> Recipe:
    """The recipe, or the one in a TOML file, with other values in some fields; names are resolved as in `train`.

    Another backbone brings its own weights and input size unless they are given, too. Raises UsageError where there is
    no such file or a value is out of range, DataError where the file is no recipe.
    """
    if unknown := sorted(changes.keys() - Recipe.model_fields.keys()):
        raise unknown_name("field of the recipe", unknown[0], Recipe.model_fields)
    base = recipe if isinstance(recipe, Recipe) else read_recipe(Path(recipe).expanduser())
    if "backbone" in changes and changes["backbone"] != base.backbone:
        changes = {"weights": None, "size": None, **changes}
    backbone = str(changes.get("backbone", base.backbone))
    if "weights" in changes:
        weights = changes["weights"]
        changes["weights"] = weights_named(backbone, None if weights is None else str(weights))
    if "size" in changes and changes["size"] is None:
        changes["size"] = card(backbone).preprocessing.size
    changes["device"] = resolve_device(str(changes.get("device", base.device)))
    for name in ("precision", "training_precision"):
        if name in changes:
            changes[name] = known_precision(str(changes[name]))
    return Recipe.of(**{**base.model_dump(), **changes})


def suited_to(recipe: Recipe, task: TaskName) -> Recipe:
    """The recipe with what numbers need: a limit on the gradient's norm, of 1, where it has none.

    Cross-entropies have bounded gradients; those of a squared error grow with it, and on the features of a usual
    network (512 values around 1) steps of 0.01 with momentum then lead ever farther away.
    """
    return recipe if recipe.clip else recipe.model_copy(update={"clip": TASKS[task].least_clip})


def read_recipe(path: Path) -> Recipe:
    """The recipe in a TOML file. Raises UsageError where there is none, DataError where it is not TOML."""
    try:
        return Recipe.from_toml(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(
            f"cannot read the recipe {path} ({error.strerror}). Give a TOML file, such as the recipe.toml of a run."
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise DataError(f"{path} is not TOML: {error}. Give a file such as the recipe.toml of a run.") from error
