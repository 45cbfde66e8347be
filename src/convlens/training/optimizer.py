"""Stochastic gradient descent with momentum, on torch's kernels.

torch.optim.SGD computes the same; building it imports torch's compiler, which takes longer than most heads train.
"""

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.optim.sgd import sgd


class StochasticGradientDescent:
    """v ← μ v + (g + λ θ), θ ← θ − α v, for gradients g, momentum μ and weight decay λ (of matrices and filters only).

    Sutskever et al., On the importance of initialization and momentum in deep learning, ICML 2013, in torch's form.
    """

    def __init__(self, parameters: Iterable[nn.Parameter], *, momentum: float, weight_decay: float) -> None:
        trained = list(parameters)
        self._groups = [
            ([p for p in trained if p.ndim > 1], weight_decay),
            ([p for p in trained if p.ndim <= 1], 0.0),  # biases and normalisation parameters do not decay
        ]
        self._momentum = momentum
        self._velocities: dict[nn.Parameter, Tensor | None] = dict.fromkeys(trained)

    @torch.no_grad()
    def step(self, learning_rate: float) -> None:
        """Move every parameter that has a gradient, and forget the gradients."""
        for group, weight_decay in self._groups:
            moved = [p for p in group if p.grad is not None]
            velocities = [self._velocities[p] for p in moved]
            sgd(
                [p.data for p in moved],
                [p.grad for p in moved if p.grad is not None],
                velocities,
                weight_decay=weight_decay,
                momentum=self._momentum,
                lr=learning_rate,
                dampening=0.0,
                nesterov=False,
                maximize=False,
            )
            self._velocities.update(zip(moved, velocities, strict=True))
            for p in moved:
                p.grad = None
