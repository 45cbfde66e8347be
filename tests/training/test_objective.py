"""The three losses against torch's and against their definitions."""

import pytest
import torch
import torch.nn.functional as F

from convlens.training.objective import L2, BinaryCrossEntropy, CategoricalCrossEntropy

GENERATOR = torch.Generator().manual_seed(0)
OUTPUTS = torch.randn(6, 3, generator=GENERATOR)
CLASSES = torch.tensor([0, 1, 2, 2, 1, 0])
LABELS = torch.tensor([[1, 0, 0], [1, 1, 0], [0, 0, 0], [0, 1, 1], [1, 1, 1], [0, 0, 1]]).float()


def test_categorical_cross_entropy() -> None:
    weights = torch.tensor([1.0, 2.0, 3.0])
    objective = CategoricalCrossEntropy(weights)
    by_hand = -OUTPUTS.log_softmax(1)[torch.arange(6), CLASSES] * weights[CLASSES]
    torch.testing.assert_close(objective.loss(OUTPUTS, CLASSES), by_hand.sum() / weights[CLASSES].sum())
    loss, accuracy = objective.standing(OUTPUTS, CLASSES)
    assert loss == pytest.approx(F.cross_entropy(OUTPUTS, CLASSES).item())
    assert accuracy == (OUTPUTS.argmax(1) == CLASSES).double().mean()


@pytest.mark.parametrize("weights", [None, torch.tensor([1.0, 2.0, 3.0])])
@pytest.mark.parametrize("smoothing", [0.0, 0.3])
def test_what_is_asked_of_each_class_gives_the_loss(weights: torch.Tensor | None, smoothing: float) -> None:
    objective = CategoricalCrossEntropy(weights)
    rows = objective.asked(3, smoothing)[CLASSES]
    loss = -(rows * OUTPUTS.log_softmax(1)).sum() / objective.importance(3)[CLASSES].sum()
    torch.testing.assert_close(loss, objective.loss(OUTPUTS, CLASSES, smoothing))


def test_binary_cross_entropy() -> None:
    probabilities = OUTPUTS.sigmoid()
    smooth = 0.8 * LABELS + 0.1
    weights = torch.tensor([1.0, 2.0, 3.0])
    by_hand = -(weights * smooth * probabilities.log() + (1 - smooth) * (1 - probabilities).log())
    torch.testing.assert_close(BinaryCrossEntropy(weights).loss(OUTPUTS, LABELS, 0.2), by_hand.mean())
    loss, accuracy = BinaryCrossEntropy(weights).standing(OUTPUTS, LABELS)
    plain = -(LABELS * probabilities.log() + (1 - LABELS) * (1 - probabilities).log())
    assert loss == pytest.approx(plain.mean().item())
    assert accuracy == pytest.approx(((probabilities > 0.5) == LABELS.bool()).double().mean().item())
    assert BinaryCrossEntropy().hits(OUTPUTS, LABELS) == pytest.approx(6 * (accuracy or 0))


def test_l2() -> None:
    torch.testing.assert_close(L2().loss(OUTPUTS, LABELS), (OUTPUTS - LABELS).square().mean())
    assert L2().standing(OUTPUTS, LABELS) == ((OUTPUTS - LABELS).square().mean().item(), None)
    assert L2().hits(OUTPUTS, LABELS) == 0
