"""Losses of several heads at once against the objectives of the same names, and their slopes against autograd's."""

import pytest
import torch
from torch import Tensor

from convlens.comparison.stacked_losses import STACKED, Sibling, mixed_hits, stacked_loss
from convlens.training.mixing import Mixed
from convlens.training.objective import L2, BinaryCrossEntropy, CategoricalCrossEntropy, Objective
from convlens.training.recipe import Recipe

EXAMPLES, OUTPUTS = 7, 3
WEIGHTS = torch.tensor([0.5, 1.0, 2.5])
OBJECTIVES: dict[str, list[Objective]] = {
    "classes": [CategoricalCrossEntropy(), CategoricalCrossEntropy(WEIGHTS), CategoricalCrossEntropy(WEIGHTS)],
    "labels": [BinaryCrossEntropy(), BinaryCrossEntropy(WEIGHTS), BinaryCrossEntropy(WEIGHTS)],
    "numbers": [L2(), L2(), L2()],
}
SMOOTHING = (0.2, 0.0, 0.3)


def labels_of(task: str, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    if task == "classes":
        return torch.randint(OUTPUTS, (EXAMPLES,), generator=generator)
    numbers = torch.randn(EXAMPLES, OUTPUTS, generator=generator)
    return (numbers > 0).float() if task == "labels" else numbers


@pytest.fixture(params=[1.0, 0.3])
def share(request: pytest.FixtureRequest) -> float:
    return float(request.param)


@pytest.mark.parametrize("task", OBJECTIVES)
def test_losses_and_slopes_are_those_of_each_head_alone(task: str, share: float) -> None:
    siblings = [
        Sibling(Recipe(label_smoothing=smoothing), one)
        for smoothing, one in zip(SMOOTHING, OBJECTIVES[task], strict=True)
    ]
    outputs = 3 * torch.randn(EXAMPLES, len(siblings), OUTPUTS, generator=torch.Generator().manual_seed(5))
    batch = Mixed((), labels_of(task, 1), labels_of(task, 2), share)
    loss = stacked_loss(siblings, OUTPUTS)
    losses, slopes = loss(outputs, batch)
    hits = mixed_hits(loss, outputs, batch)
    for head, (recipe, objective) in enumerate(siblings):
        alone = outputs[:, head].clone().requires_grad_()
        expected = batch.loss(alone, objective, recipe.label_smoothing)
        (slope,) = torch.autograd.grad(expected, alone)
        torch.testing.assert_close(losses[head], expected.detach())
        torch.testing.assert_close(slopes[:, head], slope)
        assert hits[head].item() == pytest.approx(batch.hits(outputs[:, head], objective))


def test_very_large_outputs_have_finite_losses() -> None:
    """As those of `F.binary_cross_entropy_with_logits`."""
    loss = stacked_loss([Sibling(Recipe(), BinaryCrossEntropy())] * 2, 1)
    labels = torch.tensor([[1.0], [0.0]])
    losses, slopes = loss(torch.tensor([200.0, -200.0]).view(2, 1, 1).expand(2, 2, 1), Mixed((), labels, labels, 1.0))
    assert losses.tolist() == pytest.approx([0, 0])
    assert slopes.isfinite().all()


def test_every_objective_has_a_stacked_form() -> None:
    assert set(STACKED) == {CategoricalCrossEntropy, BinaryCrossEntropy, L2}
