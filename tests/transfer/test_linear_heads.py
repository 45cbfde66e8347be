"""Ridge and logistic regression against their own definitions."""

import pytest
import torch
from torch import Tensor

from convlens.transfer.logistic import logistic
from convlens.transfer.ridge import LinearHead, held_out_logits, ridge, ridge_classifier


def problem(classes: int, seed: int = 0, count: int = 60) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(count) % classes
    centers = torch.randn(classes, 5, generator=generator)
    return centers[labels] * 1.5 + torch.randn(count, 5, generator=generator) + 3, labels


def accuracy(head: LinearHead, inputs: Tensor, labels: Tensor) -> float:
    logits = inputs.double() @ head.weight.T + head.bias
    return (logits.argmax(1) == labels).double().mean().item()


@pytest.mark.parametrize("classes", [2, 4])
def test_logistic_is_a_minimum_of_its_loss(classes: int) -> None:
    inputs, labels = problem(classes)
    head = logistic(inputs, labels, classes, weight_decay=0.01)
    weight, bias = head.weight.clone().requires_grad_(), head.bias.clone().requires_grad_()
    loss = torch.nn.functional.cross_entropy(inputs.double() @ weight.T + bias, labels)
    (loss + 0.005 * weight.square().sum()).backward()
    for tensor in (weight, bias):
        assert tensor.grad is not None
        assert tensor.grad.abs().max() < 1e-4


@pytest.mark.parametrize(("classes", "count"), [(2, 60), (4, 60), (3, 4)])
def test_ridge_solves_the_normal_equations_of_some_penalty(classes: int, count: int) -> None:
    inputs, labels = problem(classes, count=count)
    head = ridge_classifier(inputs, labels, classes)
    assert accuracy(head, inputs, labels) > 0.7
    x = inputs.double() - inputs.double().mean(0)
    y = torch.nn.functional.one_hot(labels, classes).double()
    # (XᵀX + λ) W = XᵀY up to one scale of W: the residual XᵀY/t - XᵀX W must be a multiple of W.
    left = torch.stack([(x.T @ (y - y.mean(0))).flatten(), -head.weight.T.flatten()], 1)
    solution = torch.linalg.lstsq(left, (x.T @ x @ head.weight.T).flatten()[:, None])
    assert torch.allclose(left @ solution.solution, (x.T @ x @ head.weight.T).flatten()[:, None], atol=1e-6)
    assert (solution.solution > 0).all()


def test_ridges_left_out_error_is_that_of_fits_without_the_example() -> None:
    """Noise has nothing to learn: the penalty that is chosen must be large, and the scores near the class shares."""
    generator = torch.Generator().manual_seed(1)
    inputs, labels = torch.randn(40, 30, generator=generator), torch.arange(40) % 2
    noisy = ridge_classifier(inputs, labels, 2)
    clear = ridge_classifier(inputs + 4 * torch.nn.functional.one_hot(labels, 30), labels, 2)
    assert noisy.weight.norm() < 0.2 * clear.weight.norm()


def test_ridge_leaves_out_as_a_fit_without_the_example_does() -> None:
    generator = torch.Generator().manual_seed(2)
    inputs = torch.randn(30, 4, generator=generator)
    targets = inputs @ torch.randn(4, 2, generator=generator) + 3 + 0.1 * torch.randn(30, 2, generator=generator)
    (weight, bias), left_out = ridge(inputs, targets)
    said = inputs.double() @ weight.T + bias
    assert (said - targets).square().mean() < 0.02
    # With little noise the penalty is all but none, and the fit is that of least squares.
    others = torch.arange(30) != 7
    x = torch.cat([inputs, torch.ones(30, 1)], 1).double()
    without = torch.linalg.lstsq(x[others], targets[others].double()).solution
    torch.testing.assert_close(left_out[7], x[7] @ without, atol=0.01, rtol=0)


@pytest.mark.parametrize("features", [5, 90])
def test_held_out_logits_are_those_of_fits_without_the_fold(features: int) -> None:
    """Of one of the penalties, on one scale."""
    generator = torch.Generator().manual_seed(3)
    inputs, labels = torch.randn(60, features, generator=generator).double(), torch.arange(60) % 3
    inputs[:, :3] += torch.nn.functional.one_hot(labels, 3)
    folds = torch.randint(1, 4, (60,), generator=generator)
    found = held_out_logits(inputs, labels, 3, folds)
    targets = torch.nn.functional.one_hot(labels, 3).double()
    largest = torch.linalg.matrix_norm(inputs - inputs.mean(0), 2).square()
    gaps = []
    for penalty in largest * torch.logspace(-8, 1, 29, dtype=torch.float64):
        scores = torch.empty_like(targets)
        for fold in (1, 2, 3):
            x, y = inputs[folds != fold], targets[folds != fold]
            x_mean, y_mean = x.mean(0), y.mean(0)
            # The penalty holds the weights only, so the intercept is fitted on centered inputs.
            square = (x - x_mean).T @ (x - x_mean) + penalty * torch.eye(features, dtype=torch.float64)
            weight = torch.linalg.solve(square, (x - x_mean).T @ (y - y_mean))
            scores[folds == fold] = y_mean + (inputs[folds == fold] - x_mean) @ weight
        scale = (found * scores).sum() / scores.square().sum()
        gaps.append((found - scale * scores).abs().max().item())
    assert min(gaps) < 1e-8
