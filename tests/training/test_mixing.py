import pytest
import torch
import torch.nn.functional as F

from convlens.training.mixing import mixed
from convlens.training.objective import L2, BinaryCrossEntropy, CategoricalCrossEntropy

IMAGES = torch.arange(8.0).view(8, 1, 1, 1).expand(8, 3, 10, 10).contiguous()  # example k is k everywhere
LABELS = torch.arange(8)
CLASSES = CategoricalCrossEntropy()


def test_without_mixing_nothing_changes() -> None:
    batch = mixed((IMAGES,), LABELS, mixup=0.0, cutmix=0.0)
    assert batch.inputs[0] is IMAGES
    assert batch.share == 1
    logits = torch.randn(8, 8)
    assert torch.equal(batch.loss(logits, CLASSES, 0.1), F.cross_entropy(logits, LABELS, label_smoothing=0.1))
    assert batch.hits(torch.eye(8), CLASSES) == 8


def test_mixup_blends_all_inputs_with_the_same_partners() -> None:
    torch.manual_seed(0)
    batch = mixed((IMAGES, IMAGES[:, :, 0, 0] * 2), LABELS, mixup=1.0, cutmix=0.0)
    expected = batch.share * LABELS + (1 - batch.share) * batch.others
    assert 0 < batch.share < 1
    torch.testing.assert_close(batch.inputs[0], expected.view(8, 1, 1, 1).expand_as(IMAGES).float())
    torch.testing.assert_close(batch.inputs[1], 2 * expected.view(8, 1).expand(8, 3).float())


@pytest.mark.parametrize("seed", range(5))
def test_cutmix_pastes_one_rectangle_and_counts_its_area(seed: int) -> None:
    torch.manual_seed(seed)
    (images,), labels, others, share = mixed((IMAGES,), LABELS, mixup=0.0, cutmix=1.0)
    for k, image in enumerate(images):
        own, other = image == labels[k], image == others[k]
        assert (own | other).all()
        if others[k] != labels[k]:
            assert own.float().mean().item() == pytest.approx(share, abs=1e-6)
            rows, columns = other[0].any(1).sum(), other[0].any(0).sum()
            assert other[0].sum() == rows * columns
    assert torch.equal(IMAGES[3], torch.full((3, 10, 10), 3.0))


def test_both_take_turns() -> None:
    torch.manual_seed(0)
    batches = [mixed((IMAGES,), LABELS, mixup=1.0, cutmix=1.0) for _ in range(40)]
    whole = [bool((batch.inputs[0] == batch.inputs[0].round()).all()) for batch in batches]
    assert 8 < sum(whole) < 32


def test_the_loss_is_that_of_the_mixed_label() -> None:
    torch.manual_seed(0)
    batch = mixed((IMAGES,), LABELS, mixup=1.0, cutmix=0.0)
    logits = torch.randn(8, 8)
    target = batch.share * F.one_hot(batch.labels, 8) + (1 - batch.share) * F.one_hot(batch.others, 8)
    torch.testing.assert_close(batch.loss(logits, CLASSES, 0.0), F.cross_entropy(logits, target.float()))
    target = 0.9 * target + 0.1 / 8
    torch.testing.assert_close(batch.loss(logits, CLASSES, 0.1), F.cross_entropy(logits, target.float()))


def test_the_seed_decides() -> None:
    def drawn() -> torch.Tensor:
        torch.manual_seed(3)
        return mixed((IMAGES,), LABELS, mixup=0.2, cutmix=1.0).inputs[0]

    assert torch.equal(drawn(), drawn())


def test_labels_and_numbers_are_mixed_as_classes_are() -> None:
    torch.manual_seed(0)
    outputs, targets = torch.randn(8, 3, requires_grad=True), torch.randint(2, (8, 3)).float()
    batch = mixed((IMAGES,), targets, mixup=1.0, cutmix=0.0)
    blend = batch.share * batch.labels + (1 - batch.share) * batch.others
    of_labels = batch.loss(outputs, BinaryCrossEntropy(), 0.0)
    torch.testing.assert_close(of_labels, F.binary_cross_entropy_with_logits(outputs, blend))
    # Squared errors to both and to their blend differ by a constant.
    (gradient,) = torch.autograd.grad(batch.loss(outputs, L2(), 0.0), outputs)
    (expected,) = torch.autograd.grad(F.mse_loss(outputs, blend), outputs)
    torch.testing.assert_close(gradient, expected)
    assert batch.hits(outputs, L2()) == 0
