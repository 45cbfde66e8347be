"""Confident learning against its authors' own library, and on labels of which it is known that they are wrong."""

import numpy as np
import pytest
import torch
from torch import Tensor

from convlens.trust.label_errors import (
    class_thresholds,
    confident_joint,
    estimated_joint,
    label_errors,
    quality,
)


def flipped(count: int = 600, classes: int = 4, rate: float = 0.15, seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    """Probabilities that follow the true classes, the given labels, and which of these are wrong."""
    generator = torch.Generator().manual_seed(seed)
    true = torch.randint(classes, (count,), generator=generator)
    labels = true.clone()
    wrong = torch.rand(count, generator=generator) < rate
    labels[wrong] = (true[wrong] + 1) % classes
    logits = 2.5 * torch.nn.functional.one_hot(true, classes) + torch.randn(count, classes, generator=generator)
    return logits.double().softmax(1), labels, wrong


def test_thresholds_are_mean_probabilities_of_the_given_classes() -> None:
    probabilities = torch.tensor([[0.8, 0.2, 0.0], [0.4, 0.6, 0.0], [0.1, 0.9, 0.0]], dtype=torch.float64)
    found = class_thresholds(probabilities, torch.tensor([0, 0, 1]))
    assert found.tolist() == pytest.approx([0.6, 0.9, torch.inf])


def test_what_is_wrong_is_found_and_counted() -> None:
    probabilities, labels, wrong = flipped()
    found = label_errors(probabilities, labels)
    assert (found & wrong).sum() / wrong.sum() > 0.8
    assert (found & wrong).sum() / found.sum() > 0.8
    joint = estimated_joint(confident_joint(probabilities, labels), labels)
    assert joint.sum().item() == pytest.approx(1)
    assert 1 - joint.diagonal().sum().item() == pytest.approx(wrong.double().mean().item(), abs=0.03)
    given = labels.bincount().double() / len(labels)
    assert joint.sum(1).tolist() == pytest.approx(given.tolist())
    assert quality(probabilities, labels)[wrong].mean() < quality(probabilities, labels)[~wrong].mean()


def test_nothing_is_suspect_where_the_network_agrees() -> None:
    probabilities, _, _ = flipped()
    assert not label_errors(probabilities, probabilities.argmax(1)).any()


def test_a_class_without_images_and_a_single_image() -> None:
    probabilities = torch.tensor([[0.1, 0.8, 0.1], [0.2, 0.7, 0.1], [0.9, 0.05, 0.05]], dtype=torch.float64)
    labels = torch.tensor([1, 1, 1])
    assert not label_errors(probabilities[:1], labels[:1]).any()
    assert not label_errors(probabilities, labels)[:2].any()


@pytest.mark.parametrize(("classes", "rate"), [(2, 0.1), (4, 0.15), (10, 0.05)])
def test_the_same_as_cleanlab(classes: int, rate: float) -> None:
    count = pytest.importorskip("cleanlab.count", reason="cleanlab is not installed")
    find = pytest.importorskip("cleanlab.filter").find_label_issues
    for seed in range(5):
        probabilities, labels, _ = flipped(classes=classes, rate=rate, seed=seed)
        p, given = probabilities.numpy(), labels.numpy()
        theirs = count.compute_confident_joint(given, p, calibrate=False)
        assert np.array_equal(confident_joint(probabilities, labels).numpy(), theirs)
        joint = estimated_joint(torch.from_numpy(theirs), labels).numpy()
        rounded = count.estimate_joint(given, p, confident_joint=theirs)  # to whole images
        assert np.allclose(joint, rounded, atol=1 / len(given))
        suspects = find(given, p, filter_by="both", n_jobs=1)
        ours = label_errors(probabilities, labels).numpy()
        # Largest remainders round the same numbers in another way: by one image of a class and another one.
        assert np.count_nonzero(ours != suspects) <= classes
        assert np.count_nonzero(ours & suspects) >= 0.9 * np.count_nonzero(suspects)
