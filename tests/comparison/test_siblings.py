"""Heads that train at once against the same heads trained alone, by the usual loop."""

import math

import pytest
import torch
from torch import Tensor, nn

from convlens.comparison.siblings import TrainedHead, family, fit_siblings
from convlens.comparison.stacked_losses import Sibling
from convlens.comparison.tricks import PLAIN, TRICKS
from convlens.core.progress import silent
from convlens.core.run import EpochMetrics
from convlens.training.learner import Model
from convlens.training.loop import fit, predict_logits
from convlens.training.objective import L2, BinaryCrossEntropy, CategoricalCrossEntropy, Objective
from convlens.training.recipe import Recipe

FEATURES, CLASSES = 6, 3
WEIGHTS = torch.tensor([0.5, 1.0, 2.5])
BASE = Recipe.of(**{**PLAIN, "epochs": 12, "batch_size": 16, "learning_rate": 0.1})


class Features:
    """Labeled rows, whose labels have little to do with them, so that training can overfit; drawn from two views."""

    def __init__(self, number: int, seed: int, views: int = 1, task: str = "classes") -> None:
        generator = torch.Generator().manual_seed(seed)
        self._views = torch.randn(views, number, FEATURES, generator=generator)
        self.labels = torch.randint(CLASSES, (number,), generator=generator)
        if task != "classes":
            numbers = torch.randn(number, CLASSES, generator=generator)
            self.labels = (numbers > 0).float() if task == "labels" else numbers
        self.files = [f"row {i}" for i in range(number)]

    def batch(self, indices: Tensor) -> tuple[Tensor, ...]:
        views = len(self._views)
        return (self._views[torch.randint(views, (len(indices),)) if views > 1 else 0, indices],)


def siblings_of(base: Recipe) -> dict[str, Recipe]:
    """The base, each trick that leaves it in its family, and some of them together."""
    alone = {name: trick.apply(base) for name, trick in TRICKS.items()}
    found = {"base": base} | {name: one for name, one in alone.items() if family(one) == family(base)}
    found["adam with decay"] = found["adam"].model_copy(update={"weight_decay": 0.01, "ema": 0.9})
    of_many = {"ema": 0.9, "early_stopping": 2, "class_weights": True, "label_smoothing": 0.2, "clip": 0.5}
    found["many"] = found["nesterov"].model_copy(update={**of_many, "schedule": "step", "warm_up": 2.5})
    return found


def objective(recipe: Recipe, task: str = "classes") -> Objective:
    weights = WEIGHTS if recipe.class_weights else None
    return {"classes": CategoricalCrossEntropy(weights), "labels": BinaryCrossEntropy(weights), "numbers": L2()}[task]


def layer() -> nn.Linear:
    torch.manual_seed(7)
    return nn.Linear(FEATURES, CLASSES)


def at_once(recipes: list[Recipe], train: Features, val: Features, task: str = "classes") -> list[TrainedHead | None]:
    return fit_siblings([Sibling(recipe, objective(recipe, task)) for recipe in recipes], layer(), train, val)


def alone(recipe: Recipe, train: Features, val: Features, task: str = "classes") -> TrainedHead:
    linear = layer()
    model = Model(
        train_forward=lambda x: (linear(x),),
        eval_forward=lambda x: (linear(x),),
        parameters=dict(linear.named_parameters()),
        objective=objective(recipe, task),
    )
    history = fit(model, train, val, recipe, silent)
    return TrainedHead(history, linear.weight.detach(), linear.bias.detach(), predict_logits(model, val))


def test_the_family_of_a_recipe() -> None:
    others = {"dropout", "batch-norm", "mixup", "wide-head", "augment", "unfreeze", "tenth-rate"}
    assert siblings_of(BASE).keys() == TRICKS.keys() - others | {"base", "adam with decay", "many"}
    assert family(BASE) != family(BASE.model_copy(update={"seed": 1}))


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("views", [1, 2])
@pytest.mark.parametrize("common", [{}, {"mixup": 0.4}, {"clip": 0.2}, {"momentum": 0.5, "weight_decay": 0.1}])
def test_heads_are_what_training_alone_gives(seed: int, views: int, common: dict[str, float]) -> None:
    """But for rounding: the sums are formed in another order."""
    recipes = list(siblings_of(BASE.model_copy(update={"seed": seed, **common})).values())
    train, val = Features(70, seed, views), Features(40, seed + 50)
    for recipe, head in zip(recipes, at_once(recipes, train, val), strict=True):
        assert_equal_but_for_rounding(head, alone(recipe, train, val))


@pytest.mark.parametrize("task", ["labels", "numbers"])
@pytest.mark.parametrize("common", [{}, {"mixup": 0.4}, {"clip": 0.2}])
def test_heads_of_other_tasks_are_what_training_alone_gives(task: str, common: dict[str, float]) -> None:
    recipes = list(siblings_of(BASE.model_copy(update=common)).values())
    train, val = Features(70, 0, 2, task), Features(40, 50, task=task)
    for recipe, head in zip(recipes, at_once(recipes, train, val, task), strict=True):
        assert_equal_but_for_rounding(head, alone(recipe, train, val, task))


def assert_equal_but_for_rounding(head: TrainedHead | None, expected: TrainedHead) -> None:
    assert head is not None
    for ours, theirs in zip(head.history, expected.history, strict=True):
        assert (ours.train_accuracy is None) == (theirs.train_accuracy is None) == (ours.val_accuracy is None)
        assert numbers_in(ours) == pytest.approx(numbers_in(theirs), rel=1e-5)
    torch.testing.assert_close(head[1:], expected[1:], rtol=1e-5, atol=1e-5)


def numbers_in(metrics: EpochMetrics) -> dict[str, float]:
    """All but the time, and what numbers do not have."""
    found = metrics.model_dump(exclude={"seconds"})
    return {name: value for name, value in found.items() if value is not None}


def test_tricks_make_a_difference() -> None:
    """So that the test above tells them apart."""
    recipes = list(siblings_of(BASE).values())
    heads = [head for head in at_once(recipes, Features(70, 0), Features(40, 50)) if head]
    for number, one in enumerate(heads):
        for other in heads[number + 1 :]:
            assert (one.weight - other.weight).abs().max() > 1e-4
    assert len({len(head.history) for head in heads}) > 1  # some stopped early


def test_a_head_without_a_finite_loss_is_none_and_disturbs_no_other() -> None:
    train, val = Features(70, 0), Features(40, 50)
    wild = BASE.model_copy(update={"learning_rate": 1000.0, "momentum": 0.9, "weight_decay": 10.0})
    (calm, lost), (expected,) = at_once([BASE, wild], train, val), at_once([BASE], train, val)
    assert lost is None
    assert calm is not None
    assert expected is not None
    torch.testing.assert_close(calm.weight, expected.weight)
    assert all(math.isfinite(metrics.train_loss) for metrics in calm.history)


def test_the_layer_it_starts_from_is_left_alone() -> None:
    start, before = layer(), layer().weight.detach().clone()
    fit_siblings([Sibling(BASE, objective(BASE))] * 2, start, Features(20, 0), Features(10, 1))
    assert torch.equal(start.weight, before)
