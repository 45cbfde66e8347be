"""Logistic regression: a linear head trained to convergence."""

import torch
from sklearn.linear_model import LogisticRegression
from torch import Tensor

from convlens.transfer.ridge import LinearHead

_MOST_ITERATIONS = 20_000


def logistic(inputs: Tensor, labels: Tensor, classes: int, weight_decay: float) -> LinearHead:
    """The minimum of the mean categorical cross-entropy plus weight_decay/2 ‖W‖², found by L-BFGS to convergence.

    It is what a linear head trained by gradient descent with this weight decay approaches. All classes must occur.
    """
    # With two classes scikit-learn fits one row w, of which (-w/2, w/2) is the solution here: half the penalty.
    strength = (2 if classes == 2 else 1) / (weight_decay * len(inputs))
    model = LogisticRegression(C=strength, max_iter=_MOST_ITERATIONS, tol=1e-6)
    x = inputs.double()
    # Centered inputs and one common scale change nothing but the number of iterations.
    mean, spread = x.mean(0), (x - x.mean(0)).square().mean().sqrt().clamp(min=1e-12)
    model.set_params(C=strength * spread.square().item())
    model.fit(((x - mean) / spread).numpy(), labels.numpy())
    weight, bias = torch.from_numpy(model.coef_) / spread, torch.from_numpy(model.intercept_)
    bias = bias - weight @ mean
    if classes == 2:
        return LinearHead(torch.cat([-weight, weight]) / 2, torch.cat([-bias, bias]) / 2)
    return LinearHead(weight, bias)
