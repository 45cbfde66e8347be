import contextlib
import math

import pytest
import torch
from torch import Tensor, nn

from convlens.core.errors import DataError, DivergedError
from convlens.core.progress import silent
from convlens.training.learner import Model
from convlens.training.loop import fit, predict_logits
from convlens.training.order import minibatches, steps_in_epoch
from convlens.training.recipe import Recipe
from tests.training.points import Points, model, model_with_everything

RECIPE = Recipe(epochs=5, batch_size=16, learning_rate=0.5)


def test_it_learns_and_reports_every_epoch() -> None:
    seen = []
    history = fit(
        model(), Points(200, 0), Points(100, 1), RECIPE, silent, on_epoch=lambda epochs: seen.append(epochs[-1])
    )
    assert seen == history
    assert [metrics.epoch for metrics in history] == [1, 2, 3, 4, 5]
    assert history[-1].val_accuracy > 0.95
    assert history[-1].train_loss < history[0].train_loss


@pytest.mark.parametrize("dropout", [0.0, 0.5])
def test_the_seed_decides_everything(dropout: float) -> None:
    def losses(seed: int) -> list[float]:
        recipe = RECIPE.model_copy(update={"seed": seed})
        return [m.train_loss for m in fit(model(dropout), Points(50, 0), Points(10, 1), recipe, silent)]

    assert losses(1) == losses(1)
    assert losses(1) != losses(2)


def test_the_callers_random_numbers_are_left_alone() -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    trained = model(0.5)
    torch.manual_seed(5)
    fit(trained, Points(50, 0), Points(10, 1), RECIPE, silent)
    assert torch.equal(torch.rand(3), expected)


def test_one_epoch_is_plain_minibatch_gradient_descent() -> None:
    recipe = Recipe(epochs=1, batch_size=64, learning_rate=0.1, momentum=0.0, weight_decay=0.0, schedule="constant")
    points = Points(64, 0)
    trained = model()
    weight = trained.parameters["weight"].detach().clone().requires_grad_()
    bias = trained.parameters["bias"].detach().clone().requires_grad_()
    nn.functional.cross_entropy(points.inputs @ weight.T + bias, points.labels).backward()
    fit(trained, points, points, recipe, silent)
    assert weight.grad is not None
    torch.testing.assert_close(trained.parameters["weight"].detach(), (weight - 0.1 * weight.grad).detach())


def test_a_loss_that_is_not_finite_stops_with_advice() -> None:
    broken = Points(50, 0)
    broken.inputs[7] = math.nan
    told = r"the loss became nan in epoch 1, step 1 of 1, on (point \d+(, )?){3} and 47 more.*learning_rate=0\.05"
    with pytest.raises(DataError, match=told):
        fit(model(), broken, Points(10, 1), RECIPE.model_copy(update={"batch_size": 50}), silent)


def test_a_gradient_that_is_not_finite_is_told_at_its_own_step() -> None:
    weight = nn.Parameter(torch.zeros(2))

    def forward(x: Tensor) -> tuple[Tensor]:
        return (x + weight.sqrt(),)  # whose slope at 0 is infinite

    trained = Model(train_forward=forward, eval_forward=forward, parameters={"weight": weight})
    message = r"the gradient became infinite in epoch 1, step 1 of 4, on .* and 13 more"
    with pytest.raises(DivergedError, match=message) as told:
        fit(trained, Points(50, 0), Points(10, 1), RECIPE, silent)
    assert len(told.value.files) == 16
    assert torch.equal(weight, torch.zeros(2))


def test_a_network_that_came_to_no_numbers_is_not_kept() -> None:
    """What normalization remembers may be lost while weights and training losses stay finite."""
    subject = model_with_everything()
    for name, buffer in subject.buffers.items():
        if name.endswith("running_var"):
            buffer.fill_(math.nan)
    with pytest.raises(DivergedError, match=r"the validation loss became nan after epoch 1: training diverged"):
        fit(subject, Points(50, 0), Points(10, 1), RECIPE, silent)


def test_a_single_example_that_is_left_over_is_trained_with_those_before() -> None:
    history = fit(model_with_everything(), Points(33, 0), Points(10, 1), RECIPE, silent)
    assert len(history) == RECIPE.epochs


@pytest.mark.parametrize("size", [1, 2, 3, 16, 50])
@pytest.mark.parametrize("examples", [1, 2, 3, 16, 17, 33, 50])
def test_minibatches_hold_everything_once_and_none_is_single(examples: int, size: int) -> None:
    order = torch.randperm(examples)
    parts = minibatches(order, size)
    assert torch.equal(torch.cat(parts), order)
    assert len(parts) == steps_in_epoch(examples, size)
    if size > 1 and examples > 1:
        assert all(2 <= len(part) <= size + 1 for part in parts)
        assert all(len(part) == size for part in parts[:-1])


def test_logits_come_in_order() -> None:
    points = Points(600, 0)
    trained = model()
    torch.testing.assert_close(predict_logits(trained, points), trained.eval_forward(points.inputs)[0].detach())


def test_auxiliary_heads_count_by_their_weight() -> None:
    points, recipe = Points(32, 0), Recipe(epochs=1, batch_size=32, learning_rate=0.1, weight_decay=0.0, warm_up=0.0)

    def moved(weight: float) -> tuple[Tensor, Tensor]:
        torch.manual_seed(0)
        heads = nn.ModuleDict({"last": nn.Linear(2, 2), "auxiliary": nn.Linear(2, 2)})
        before = {name: p.detach().clone() for name, p in heads.named_parameters()}
        trained = Model(
            train_forward=lambda x: (heads["last"](x), heads["auxiliary"](x)),
            eval_forward=lambda x: (heads["last"](x),),
            parameters=dict(heads.named_parameters()),
            auxiliary_weight=weight,
        )
        fit(trained, points, points, recipe, silent)
        last, auxiliary = (heads[name].weight.detach() - before[f"{name}.weight"] for name in heads)
        return last, auxiliary

    (last, none), (same, whole), (_, part) = moved(0.0), moved(1.0), moved(0.3)
    assert torch.equal(none, torch.zeros(2, 2))
    assert whole.abs().max() > 1e-3
    torch.testing.assert_close(part, 0.3 * whole)
    torch.testing.assert_close(last, same)


def test_progress_tells_the_epoch_and_the_newest_validation_score() -> None:
    notes = []

    @contextlib.contextmanager
    def progress(stage, total):
        yield lambda steps, note="": notes.append(note)

    history = fit(model(), Points(32, 0), Points(10, 1), RECIPE.model_copy(update={"epochs": 2}), progress)
    assert len(notes) == 6
    assert notes[0].startswith("epoch 1 of 2, loss ")
    assert "val" not in notes[0]
    assert notes[2] == f"epoch 1 of 2, val accuracy {history[0].val_accuracy:.1%}"
    assert notes[3].startswith("epoch 2 of 2, loss ")
    assert notes[3].endswith(notes[2].removeprefix("epoch 1 of 2"))
    assert notes[-1] == f"epoch 2 of 2, val accuracy {history[1].val_accuracy:.1%}"
