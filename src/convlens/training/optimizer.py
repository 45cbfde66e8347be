"""Stochastic gradient descent with momentum, on torch's kernels.

torch.optim.SGD computes the same; building it imports torch's compiler, which takes longer than most heads train.
"""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.optim.sgd import sgd

from convlens.training.groups import gradients_of, parameter_groups


class StochasticGradientDescent:
    """v ← μ v + (g + λ θ), θ ← θ − α v, for gradients g, momentum μ and weight decay λ (of matrices and filters only).

    With `nesterov` the step is θ ← θ − α (g + λ θ + μ v). With `clip` > 0 a gradient whose norm over all parameters
    is longer is shortened to it first (Pascanu et al., arXiv:1211.5063). `factors` are parts of the learning rate, by
    the parameter's name. Sutskever et al., On the importance of initialization and momentum in deep learning, ICML
    2013, in torch's form.
    """

    def __init__(
        self,
        parameters: Mapping[str, nn.Parameter],
        *,
        momentum: float,
        weight_decay: float,
        nesterov: bool = False,
        clip: float = 0.0,
        factors: Mapping[str, float] | None = None,
    ) -> None:
        self._parameters = dict(parameters)
        self._groups = parameter_groups(parameters, weight_decay, factors or {})
        self._momentum = momentum
        self._nesterov = nesterov and momentum > 0
        self._clip = clip
        self.velocities: dict[str, Tensor] = {}
        """v of every parameter that has moved, by name; give another dictionary to go on from there."""

    @torch.no_grad()
    def step(self, learning_rate: float) -> None:
        """Move every parameter that has a gradient, and forget the gradients."""
        if self._clip:
            torch.nn.utils.clip_grad_norm_(self._parameters.values(), self._clip)
        for group in self._groups:
            moved, gradients = gradients_of(self._parameters, group.names)
            values = [self._parameters[name].data for name in moved]
            velocities = [self.velocities.get(name) for name in moved]
            sgd(
                values,
                gradients,
                velocities,
                weight_decay=group.weight_decay,
                momentum=self._momentum,
                lr=learning_rate * group.factor,
                dampening=0.0,
                nesterov=self._nesterov,
                maximize=False,
                fused=_laid_out_alike(values, gradients, velocities),
            )
            self.velocities |= {name: v for name, v in zip(moved, velocities, strict=True) if v is not None}
        for parameter in self._parameters.values():
            parameter.grad = None


def _laid_out_alike(values: Sequence[Tensor], gradients: Sequence[Tensor], velocities: Sequence[Tensor | None]) -> bool:
    """Whether the three of each parameter lie alike in memory, through which the fused kernel walks."""
    return all(
        value.stride() == gradient.stride() and (velocity is None or value.stride() == velocity.stride())
        for value, gradient, velocity in zip(values, gradients, velocities, strict=True)
    )
