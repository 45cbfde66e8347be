"""Early stopping: when it ends, whose weights are kept, and that a break changes nothing."""

import itertools

import pytest
import torch
from torch import Tensor

from convlens.core.progress import silent
from convlens.training.learner import Model
from convlens.training.loop import fit, predict_logits
from convlens.training.objective import CategoricalCrossEntropy
from convlens.training.recipe import Recipe
from tests.training.points import Points, model

RECIPE = Recipe(epochs=30, batch_size=16, learning_rate=0.3, schedule="constant", early_stopping=3)


class Contradicting(Points):
    """Points whose labels are the opposite: the better a model learns the others, the worse it does on these."""

    def __init__(self) -> None:
        super().__init__(40, 1)
        self.labels = 1 - self.labels


def test_it_ends_after_so_many_epochs_without_a_lower_loss() -> None:
    trained = model()
    history = fit(trained, Points(64, 0), Contradicting(), RECIPE, silent)
    losses = [metrics.val_loss for metrics in history]
    assert len(history) == 4
    assert min(losses) == losses[0]


def test_the_best_epochs_weights_are_kept() -> None:
    trained, val = model(), Contradicting()
    history = fit(trained, Points(64, 0), val, RECIPE, silent)
    loss = torch.nn.functional.cross_entropy(predict_logits(trained, val), val.labels).item()
    assert loss == pytest.approx(history[0].val_loss, abs=1e-7)
    assert loss < history[-1].val_loss


def test_without_it_all_epochs_are_made() -> None:
    recipe = RECIPE.model_copy(update={"early_stopping": 0, "epochs": 6})
    assert len(fit(model(), Points(64, 0), Contradicting(), recipe, silent)) == 6


def test_class_weights_move_the_border() -> None:
    points = Points(64, 0)
    recipe = Recipe(epochs=3, batch_size=64, learning_rate=0.3)

    def belief_in_second(weights: Tensor | None) -> float:
        plain = model()
        weighted = Model(
            train_forward=plain.train_forward,
            eval_forward=plain.eval_forward,
            parameters=plain.parameters,
            objective=CategoricalCrossEntropy(weights),
        )
        fit(weighted, points, points, recipe, silent)
        return predict_logits(weighted, points).softmax(1)[:, 1].mean().item()

    beliefs = [belief_in_second(weights) for weights in (torch.tensor([9.0, 1.0]), None, torch.tensor([1.0, 9.0]))]
    assert all(a < b for a, b in itertools.pairwise(beliefs))
    assert belief_in_second(torch.ones(2)) == beliefs[1]
