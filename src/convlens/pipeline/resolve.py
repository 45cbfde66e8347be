"""Recipes from files, and what a person changes about them."""

import tomllib
from pathlib import Path

from torch import nn

from convlens.backbones.external import adopt
from convlens.backbones.resolve import weights_to_start_from
from convlens.core.errors import DataError, UsageError, unknown_name
from convlens.core.task import TaskName
from convlens.training.recipe import SETTINGS, Recipe, with_present_names
from convlens.training.tasks import TASKS
from convlens.transfer.device import resolve_device
from convlens.transfer.precision import known_precision
from convlens.zoo import card

_OF_THE_MACHINE = "auto"
"""What settings begin with that follow from the machine."""


def resolved_recipe(recipe: Recipe | str | Path | None, **changes: object) -> Recipe:
    """The recipe that `train` uses: the default one, a record, or one in a TOML file, with changes.

    The default one has the weights, input size, number format and device that fit the network and the machine.
    """
    if recipe is not None:
        return changed_recipe(recipe, **changes)
    initial = {one.name: one.initial for one in SETTINGS.values() if one.initial != one.default}
    return changed_recipe(Recipe(), **{**initial, **with_present_names(changes)})


def changed_recipe(recipe: Recipe | str | Path, **changes: object) -> Recipe:
    """The recipe, or the one in a TOML file, with other values in some fields; names are resolved as in `train`.

    A module as the backbone is adopted. Another backbone brings its own weights and input size unless they are given,
    too. Raises UsageError where there is no such file or a value is out of range, DataError where the file is not a
    recipe.
    """
    changes = with_present_names(changes)
    if unknown := sorted(changes.keys() - Recipe.model_fields.keys()):
        raise unknown_name("field of the recipe", unknown[0], Recipe.model_fields)
    base = recipe if isinstance(recipe, Recipe) else read_recipe(Path(recipe).expanduser())
    if isinstance(backbone := changes.get("backbone"), nn.Module):
        size = changes.get("size")
        changes["backbone"] = adopt(backbone, size=size if isinstance(size, int) else None)
    if "backbone" in changes and changes["backbone"] != base.backbone:
        changes = {"weights": None, "size": None, **changes}
    return Recipe.of(**{**base.model_dump(), **_resolved(base, changes)})


def changed_settings(recipe: Recipe) -> list[str]:
    """Fields in which a recipe is not what `train` takes by default for its backbone, in the recipe's order.

    Those that follow from the machine are left out.
    """
    usual = resolved_recipe(None, backbone=recipe.backbone, freeze=recipe.freeze)
    plain = {**usual.model_dump(), "backbone": SETTINGS["backbone"].default, "freeze": SETTINGS["freeze"].default}
    return [
        name
        for name, one in SETTINGS.items()
        if one.initial != _OF_THE_MACHINE and name != "training_precision" and getattr(recipe, name) != plain[name]
    ]


def _resolved(base: Recipe, changes: dict[str, object]) -> dict[str, object]:
    """The changes with names as the recipe stores them, and with what is to be derived."""
    backbone = str(changes.get("backbone", base.backbone))
    found = {name: str(value) if isinstance(value, Path) else value for name, value in changes.items()}
    if "weights" in found:
        weights, freeze = found["weights"], str(found.get("freeze", base.freeze))
        found["weights"] = weights_to_start_from(backbone, None if weights is None else str(weights), freeze)
    if "size" in found and found["size"] is None:
        found["size"] = card(backbone).preprocessing.size
    found["device"] = resolve_device(str(found.get("device", base.device)))
    for name in ("precision", "training_precision"):
        if name in found:
            found[name] = known_precision(str(found[name]))
    return found


def suited_to(recipe: Recipe, task: TaskName) -> Recipe:
    """The recipe with what numbers need: a limit on the gradient's norm, of 1, where it has none.

    Cross-entropies have bounded gradients; those of a squared error grow with it, and on the features of a usual
    network (512 values around 1) steps of 0.01 with momentum then lead ever farther away.
    """
    return recipe if recipe.clip else recipe.model_copy(update={"clip": TASKS[task].least_clip})


def read_recipe(path: Path) -> Recipe:
    """The recipe in a TOML file; what depends on the backbone follows from it where the file is silent.

    Raises UsageError where there is no such file or a value in it is wrong, DataError where it is not TOML.
    """
    try:
        stated = with_present_names(tomllib.loads(path.read_text(encoding="utf-8-sig")))
    except OSError as error:
        raise UsageError(
            f"cannot read the recipe {path} ({error.strerror}). Give a TOML file, such as the recipe.toml of a run."
        ) from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not UTF-8 text ({error.reason}). Save it as UTF-8, which TOML requires.") from error
    except tomllib.TOMLDecodeError as error:
        raise DataError(f"{path} is not TOML: {error}. Give a file such as the recipe.toml of a run.") from error
    derived = {name: None for name in ("weights", "size") if name not in stated}
    try:
        return changed_recipe(Recipe.of(**stated), **derived)
    except UsageError as error:
        raise error.within(str(path)) from error
