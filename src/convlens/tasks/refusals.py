"""Refusals: what a recipe asks for that does not go together, said before any work is done."""

from convlens.core.errors import UsageError
from convlens.training.recipe import Recipe

CLOSED_FORM = ("ridge", "logistic")


def refuse_contradictions(recipe: Recipe) -> None:
    """Raises UsageError, with what to change, where freeze plan, head and views exclude each other."""
    _refuse_unfit_own_head(recipe)
    _refuse_unfit_closed_form(recipe)
    if recipe.head_epochs and recipe.freeze == "backbone" and not recipe.reopen and recipe.head != "own":
        raise UsageError(
            f"--head-epochs {recipe.head_epochs} trains the head before other layers, but all other layers are frozen. "
            "Reopen some with --reopen, --freeze MODULE or --freeze none, or say --epochs alone."
        )
    if recipe.views and recipe.freeze == "none":
        raise UsageError(
            f"--views {recipe.views} keeps features of augmented pictures, and with --freeze none there are no frozen "
            "layers; fresh views are drawn every epoch then. Leave --views out."
        )


def _refuse_unfit_own_head(recipe: Recipe) -> None:
    if recipe.head == "own" and (recipe.freeze not in ("backbone", "conv") or recipe.reopen):
        raise UsageError(
            "--head own retrains the network's own fully connected layers and fixes all convolutions: it goes with "
            f"--freeze backbone or conv, not with --freeze {recipe.freeze}" + (" --reopen." if recipe.reopen else ".")
        )
    if recipe.head == "own" and not recipe.head_form.plain:
        raise UsageError("--head own leaves the layers as they are: leave --dropout and --batch-norm out.")


def _refuse_unfit_closed_form(recipe: Recipe) -> None:
    if recipe.head not in CLOSED_FORM:
        return
    if recipe.freeze != "backbone" or recipe.reopen or recipe.views or not recipe.head_form.plain:
        raise UsageError(
            f"--head {recipe.head} solves for one linear layer on the features of the frozen network: it goes with "
            "--freeze backbone, and without --reopen, --views, --dropout and --batch-norm."
        )
    if recipe.head == "logistic" and not recipe.weight_decay:
        raise UsageError(
            "--head logistic needs a --weight-decay above 0: without one, classes that can be told apart have no "
            "solution. Try --weight-decay 0.0001."
        )
