"""Refusals: what a recipe asks for that does not go together, said before any work is done."""

import math

import torch
from torch import nn

from convlens.backbones.resolve import network
from convlens.core.errors import UsageError
from convlens.core.kinds.registry import KINDS
from convlens.core.settings import setting
from convlens.core.task import TaskName
from convlens.core.torchrun import started_by_torchrun
from convlens.pipeline.prepare import Prepared
from convlens.pipeline.split import layout_of
from convlens.training.order import steps_in_epoch
from convlens.training.recipe import Recipe
from convlens.training.tasks import TASKS
from convlens.transfer.single_values import normalizes_single_values
from convlens.zoo import card

CLOSED_FORM = ("ridge", "logistic")


def refuse_contradictions(recipe: Recipe) -> None:
    """Raises UsageError, with what to change, where freeze plan, head, views and labels exclude each other."""
    _refuse_unfit_own_head(recipe)
    _refuse_unfit_closed_form(recipe)
    layout_of(recipe)  # refuses settings of a table where none is given
    if recipe.batch_norm and recipe.batch_size == 1:
        raise UsageError(
            f"{setting('batch_size', 1)}: a head with {setting('batch_norm')} needs at least two examples to "
            f"normalize over. Give {setting('batch_size', 2)} or more, or leave {setting('batch_norm')} out."
        )
    if recipe.head_epochs and recipe.freeze == "backbone" and not recipe.unfreeze and recipe.head != "own":
        raise UsageError(
            f"{setting('head_epochs', recipe.head_epochs)} trains the head before the other layers, but those are all "
            f"frozen. Unfreeze some with {setting('unfreeze')}, {setting('freeze', 'MODULE')} or "
            f"{setting('freeze', 'none')}, or set {setting('epochs')} alone."
        )
    if recipe.augmented_copies and recipe.freeze == "none":
        raise UsageError(
            f"{setting('augmented_copies', recipe.augmented_copies)} keeps features of augmented images, and with "
            f"{setting('freeze', 'none')} there are no frozen layers; fresh crops are drawn every epoch then. Leave "
            f"{setting('augmented_copies')} out."
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
    lone = "there is a single training image" if num_train == 1 else setting("batch_size", recipe.batch_size)
    raise UsageError(
        f"{lone}: {place} is batch normalization over one value per channel for each image, and a single image has no "
        "variance. "
        + ("Add images" if num_train == 1 else f"Give {setting('batch_size', 2)} or more")
        + f", or freeze that layer ({setting('freeze')}) or remove it."
    )


def refuse_wrong_minutes(checkpoint_minutes: float) -> None:
    """Raises UsageError for a time between checkpoints that is none."""
    if not 0 <= checkpoint_minutes < math.inf:
        raise UsageError(f"{setting('checkpoint_minutes', checkpoint_minutes)}: give a number of minutes, 0 or more.")


def refuse_wrong_budget(budget: float, recipe: object) -> None:
    """Raises UsageError for a time to choose a recipe in that is none, and where there is nothing to choose."""
    if not 0 < budget < math.inf:
        raise UsageError(f"{setting('budget', budget)}: give a number of seconds above 0.")
    if recipe is not None:
        raise UsageError(
            f"{setting('recipe', recipe)} leaves nothing to choose; leave it out, or leave {setting('budget')} out."
        )
    if started_by_torchrun() is not None:
        raise UsageError(
            f"{setting('budget', budget)}: the recipe is chosen by a single process. Run `convlens train` by itself "
            f"first, then use the recipe.toml of its run with torchrun, as {setting('recipe')}."
        )


def refuse_unfit_for_features(recipe: Recipe) -> None:
    """Raises UsageError for what needs fresh pixels, where the features of whole images are stored."""
    _refuse_cutmix_of_features(recipe)
    _refuse_growth_of_features(recipe)


def refuse_unfit_for(task: TaskName, recipe: Recipe) -> None:
    """Raises UsageError for what a recipe asks for that makes no sense for what is learned."""
    for field in TASKS[task].unfit(recipe):
        value, kind = getattr(recipe, field), KINDS[task]
        option = setting(field, value) if isinstance(value, str) else setting(field)
        raise UsageError(
            f"{option} is for classes, and the table of labels holds {kind.holds}, learned by {kind.loss} loss. Leave "
            f"it out; or, if these are classes, set {setting('task', 'classification')}."
        )


def refuse_unfit_head(task: TaskName, head: nn.Module, backbone: str) -> None:
    """Raises UsageError where a network's outputs pass through more than its last layer, which may leave no sign."""
    if TASKS[task].needs_linear_outputs and not isinstance(head, nn.Linear | nn.Sequential):
        raise UsageError(
            f"{backbone} ends in a {type(head).__name__} whose outputs are transformed further, which only works for "
            f"classes; the table of labels holds {KINDS[task].holds}. Take a backbone that ends in a linear layer, "
            "such as house or resnet18."
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
            f"{setting('head', 'own')} retrains the network's own fully connected layers and fixes all convolutions: "
            f"it goes with {setting('freeze', 'backbone')} or conv, not with {setting('freeze', recipe.freeze)}"
            + (f" {setting('unfreeze')}." if recipe.unfreeze else ".")
        )
    if recipe.head == "own" and not recipe.head_form.plain:
        raise UsageError(
            f"{setting('head', 'own')} leaves the layers as they are: leave {setting('dropout')} and "
            f"{setting('batch_norm')} out."
        )


def _refuse_unfit_closed_form(recipe: Recipe) -> None:
    if recipe.head not in CLOSED_FORM:
        return
    if recipe.freeze != "backbone" or recipe.unfreeze or recipe.augmented_copies or not recipe.head_form.plain:
        raise UsageError(
            f"{setting('head', recipe.head)} solves for one linear layer on the features of the frozen network: it "
            f"goes with {setting('freeze', 'backbone')}, and without {setting('unfreeze')}, "
            f"{setting('augmented_copies')}, {setting('dropout')} and {setting('batch_norm')}."
        )
    if recipe.head == "logistic" and not recipe.weight_decay:
        raise UsageError(
            f"{setting('head', 'logistic')} needs a {setting('weight_decay')} above 0: without it, separable classes "
            f"have no solution. Try {setting('weight_decay', 0.0001)}."
        )


def _refuse_cutmix_of_features(recipe: Recipe) -> None:
    if recipe.cutmix and recipe.freeze != "none":
        raise UsageError(
            f"{setting('cutmix', recipe.cutmix)} pastes parts of images into each other and needs "
            f"{setting('freeze', 'none')}; with {setting('freeze', recipe.freeze)} the features of whole images are "
            f"stored. Use {setting('mixup')}, or {setting('freeze', 'none')}."
        )


def _refuse_growth_of_features(recipe: Recipe) -> None:
    if recipe.progressive_resizing < 1 and (recipe.freeze != "none" or not recipe.augment):
        given = setting("freeze", recipe.freeze) if recipe.freeze != "none" else setting("augment", False)
        raise UsageError(
            f"{setting('progressive_resizing', recipe.progressive_resizing)} resizes fresh random crops and needs "
            f"{setting('freeze', 'none')} and {setting('augment')}, not {given}."
        )
