"""Refusals: what a recipe asks for that does not go together, said before any work is done."""

import math

import torch
from torch import nn

from convlens.backbones.resolve import network
from convlens.core.errors import UsageError
from convlens.core.kinds.registry import KINDS
from convlens.core.task import TaskName
from convlens.pipeline.prepare import Prepared
from convlens.pipeline.split import layout_of
from convlens.training.order import steps_in_epoch
from convlens.training.recipe import Recipe
from convlens.training.setting import flag
from convlens.training.tasks import TASKS
from convlens.transfer.single_values import normalizes_single_values
from convlens.zoo import card

CLOSED_FORM = ("ridge", "logistic")


def refuse_contradictions(recipe: Recipe) -> None:
    """Raises UsageError, with what to change, where freeze plan, head, views and labels exclude each other."""
    _refuse_unfit_own_head(recipe)
    _refuse_unfit_closed_form(recipe)
    layout_of(recipe)  # refuses what tells about a table where none is given
    if recipe.batch_norm and recipe.batch_size == 1:
        raise UsageError(
            "--batch-size 1: a head with --batch-norm needs at least two examples to normalize over. Give --batch-size "
            "2 or more, or leave --batch-norm out."
        )
    if recipe.head_epochs and recipe.freeze == "backbone" and not recipe.unfreeze and recipe.head != "own":
        raise UsageError(
            f"--head-epochs {recipe.head_epochs} trains the head before other layers, but all other layers are frozen. "
            "Unfreeze some with --unfreeze, --freeze MODULE or --freeze none, or say --epochs alone."
        )
    if recipe.augmented_copies and recipe.freeze == "none":
        raise UsageError(
            f"--augmented-copies {recipe.augmented_copies} keeps features of augmented images, and with --freeze none "
            "there are no frozen layers; fresh views are drawn every epoch then. Leave --augmented-copies out."
        )


def refuse_single_values(recipe: Recipe, prepared: Prepared, num_train: int) -> None:
    """Raises UsageError where a minibatch would leave batch normalization one value per channel.

    That value's variance divides 0 by 0: the running variance would be lost for good while losses stay finite.
    """
    if steps_in_epoch(num_train, recipe.batch_size) < num_train:
        return  # no minibatch holds one example alone, see `minibatches`
    graphs = [prepared.cut.training.suffix, *prepared.smaller.values()]
    if (place := normalizes_single_values(graphs, prepared.cut.new_head)) is None:
        return
    lone = "there is a single training image" if num_train == 1 else f"--batch-size {recipe.batch_size}"
    raise UsageError(
        f"{lone}: {place} is batch normalization of one value per channel for each image, and one image has no "
        "variance. "
        + ("Add images" if num_train == 1 else "Give --batch-size 2 or more")
        + ", or have that layer frozen (--freeze) or left out."
    )


def refuse_wrong_minutes(checkpoint_minutes: float) -> None:
    """Raises UsageError for a time between checkpoints that is none."""
    if not 0 <= checkpoint_minutes < math.inf:
        raise UsageError(f"--checkpoint-minutes {checkpoint_minutes:g}: give a number of minutes, 0 or more.")


def refuse_unfit_for_features(recipe: Recipe) -> None:
    """Raises UsageError for what needs fresh pixels, where the features of whole images are stored."""
    _refuse_cutmix_of_features(recipe)
    _refuse_growth_of_features(recipe)


def refuse_unfit_for(task: TaskName, recipe: Recipe) -> None:
    """Raises UsageError for what a recipe asks for that makes no sense for what is learned."""
    for field in TASKS[task].unfit(recipe):
        value, kind = getattr(recipe, field), KINDS[task]
        option = flag(field) + (f" {value}" if isinstance(value, str) else "")
        raise UsageError(
            f"{option} goes with classes, and the table of labels holds {kind.holds}, learned by {kind.loss} loss. "
            "Leave it out; or, if these are classes, say --task classification."
        )


def refuse_unfit_head(task: TaskName, head: nn.Module, backbone: str) -> None:
    """Raises UsageError where a network's outputs pass through more than its last layer, which may leave no sign."""
    if TASKS[task].needs_linear_outputs and not isinstance(head, nn.Linear | nn.Sequential):
        raise UsageError(
            f"{backbone} ends in a {type(head).__name__} whose outputs are changed further, which suits classes alone; "
            f"the table of labels holds {KINDS[task].holds}. Take a --backbone that ends in a linear layer, such as "
            "house or resnet18."
        )


def refuse_unfit_backbone(task: TaskName, backbone: str) -> None:
    """Raises UsageError as `refuse_unfit_head` does, for a network that is not there yet; none of it is computed."""
    if TASKS[task].needs_linear_outputs:
        with torch.device("meta"):
            module = network(backbone)
        refuse_unfit_head(task, module.get_submodule(card(backbone).head), backbone)


def _refuse_unfit_own_head(recipe: Recipe) -> None:
    if recipe.head == "own" and (recipe.freeze not in ("backbone", "conv") or recipe.unfreeze):
        raise UsageError(
            "--head own retrains the network's own fully connected layers and fixes all convolutions: it goes with "
            f"--freeze backbone or conv, not with --freeze {recipe.freeze}"
            + (" --unfreeze." if recipe.unfreeze else ".")
        )
    if recipe.head == "own" and not recipe.head_form.plain:
        raise UsageError("--head own leaves the layers as they are: leave --dropout and --batch-norm out.")


def _refuse_unfit_closed_form(recipe: Recipe) -> None:
    if recipe.head not in CLOSED_FORM:
        return
    if recipe.freeze != "backbone" or recipe.unfreeze or recipe.augmented_copies or not recipe.head_form.plain:
        raise UsageError(
            f"--head {recipe.head} solves for one linear layer on the features of the frozen network: it goes with "
            "--freeze backbone, and without --unfreeze, --augmented-copies, --dropout and --batch-norm."
        )
    if recipe.head == "logistic" and not recipe.weight_decay:
        raise UsageError(
            "--head logistic needs a --weight-decay above 0: without one, classes that can be told apart have no "
            "solution. Try --weight-decay 0.0001."
        )


def _refuse_cutmix_of_features(recipe: Recipe) -> None:
    if recipe.cutmix and recipe.freeze != "none":
        raise UsageError(
            f"--cutmix {recipe.cutmix:g} pastes parts of images into each other and needs --freeze none; with "
            f"--freeze {recipe.freeze} the features of whole images are stored. Use --mixup, or --freeze none."
        )


def _refuse_growth_of_features(recipe: Recipe) -> None:
    if recipe.progressive_resizing < 1 and (recipe.freeze != "none" or not recipe.augment):
        given = f"--freeze {recipe.freeze}" if recipe.freeze != "none" else "--no-augment"
        raise UsageError(
            f"--progressive-resizing {recipe.progressive_resizing:g} resizes fresh random crops and needs "
            f"--freeze none and --augment, not {given}."
        )
