"""Tricks of training: each is a function from a recipe to a recipe, so that it can be tried alone and with others."""

import dataclasses
from collections.abc import Callable, Sequence

from convlens.core.errors import unknown_name
from convlens.training.recipe import Recipe

PLAIN = {
    "learning_rate": 0.01,
    "momentum": 0.0,
    "schedule": "constant",
    "weight_decay": 0.0,
    "backbone_lr": 1.0,
}
"""Where a comparison begins: stochastic gradient descent with none of the tricks."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Trick:
    """What people call it, what it does, and the recipe that it makes of another."""

    name: str
    does: str
    apply: Callable[[Recipe], Recipe]
    group: str = ""
    """Of several tricks of one group only one can be in use; "" where nothing excludes it."""


def trick(name: str) -> Trick:
    """The trick of that name. Raises UsageError, with the nearest names, where there is none."""
    if name not in TRICKS:
        raise unknown_name("trick", name, TRICKS)
    return TRICKS[name]


def together(tricks: Sequence[Trick]) -> Trick:
    """All of them as one trick; of those that exclude each other the last one counts."""
    last = {one.group: one for one in tricks if one.group}
    used = [one for one in tricks if not one.group or last[one.group] is one]

    def apply(recipe: Recipe) -> Recipe:
        for one in used:
            recipe = one.apply(recipe)
        return recipe

    return Trick(name="together", does=" and ".join([", ".join(o.name for o in used[:-1]), used[-1].name]), apply=apply)


def _setting(**values: object) -> Callable[[Recipe], Recipe]:
    return lambda recipe: Recipe.of(**{**recipe.model_dump(), **values})


def _adam(optimizer: str, weight_decay: float) -> Callable[[Recipe], Recipe]:
    """Adam's steps are about as long as the rate whatever the gradient: a tenth of gradient descent's rate is usual."""
    return lambda recipe: _setting(
        optimizer=optimizer, learning_rate=recipe.learning_rate / 10, weight_decay=weight_decay
    )(recipe)


def _warm_up(recipe: Recipe) -> Recipe:
    return _setting(warm_up=max(1.0, recipe.epochs / 10))(recipe)


def _unfreeze(factor: float) -> Callable[[Recipe], Recipe]:
    return lambda recipe: _setting(
        backbone_lr=factor, **({"unfreeze": recipe.unfreeze + 1} if recipe.freeze == "backbone" else {})
    )(recipe)


_ALL = (
    Trick(name="dropout", does="dropout of 0.5 before the last layer", apply=_setting(dropout=0.5)),
    Trick(name="batch-norm", does="batch normalization in the head", apply=_setting(batch_norm=True)),
    Trick(name="weight-decay", does="weight decay of 0.01", apply=_setting(weight_decay=0.01)),
    Trick(name="label-smoothing", does="a tenth of each label is spread evenly", apply=_setting(label_smoothing=0.1)),
    Trick(name="mixup", does="pairs of examples are blended, by Beta(0.2, 0.2)", apply=_setting(mixup=0.2)),
    Trick(name="momentum", does="momentum of 0.9", apply=_setting(momentum=0.9), group="steps"),
    Trick(
        name="nesterov",
        does="Nesterov momentum of 0.9",
        apply=_setting(momentum=0.9, nesterov=True),
        group="steps",
    ),
    Trick(name="adam", does="Adam at a tenth of the rate", apply=_adam("adam", 0.0), group="steps"),
    Trick(
        name="adamw",
        does="AdamW at a tenth of the rate, with a weight decay of 0.01",
        apply=_adam("adamw", 0.01),
        group="steps",
    ),
    Trick(name="step", does="the rate falls to a tenth, twice", apply=_setting(schedule="step"), group="schedule"),
    Trick(
        name="cosine", does="the rate falls to 0 along a cosine", apply=_setting(schedule="cosine"), group="schedule"
    ),
    Trick(name="warm-up", does="the rate rises from 0 in the first tenth of the epochs", apply=_warm_up),
    Trick(
        name="tenth-rate",
        does="one more block is trained, at a tenth of the rate",
        apply=_unfreeze(0.1),
        group="unfrozen",
    ),
    Trick(name="class-weights", does="rare classes count as much as frequent ones", apply=_setting(class_weights=True)),
    Trick(
        name="early-stopping",
        does="stop after 3 epochs without a lower validation loss and keep the best weights",
        apply=_setting(early_stopping=3),
    ),
    Trick(name="ema", does="a moving average of the weights, with decay 0.99", apply=_setting(ema=0.99)),
    Trick(
        name="wide-head",
        does="a hidden layer of 1024 units in the head",
        apply=_setting(head="hidden", head_width=1024),
    ),
    Trick(name="augment", does="three augmented copies of each training image", apply=_setting(augmented_copies=3)),
    Trick(
        name="unfreeze", does="one more block is trained, at the head's rate", apply=_unfreeze(1.0), group="unfrozen"
    ),
)
TRICKS = {one.name: one for one in _ALL}
