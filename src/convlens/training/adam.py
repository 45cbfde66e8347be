"""Adam and AdamW, on torch's kernels, for the reason that `optimizer` gives."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.optim.adam import adam

from convlens.training.groups import gradients_of, parameter_groups

BETAS = (0.9, 0.999)
EPSILON = 1e-8
_MEAN, _SQUARE, _STEPS = "mean", "square", "steps"


class Adam:
    """m ← β₁ m + (1 − β₁) g, s ← β₂ s + (1 − β₂) g², θ ← θ − α m̂ / (√ŝ + ε); m̂ and ŝ are free of their start at 0.

    Kingma & Ba, arXiv:1412.6980, algorithm 1, with their β₁ = 0.9, β₂ = 0.999, ε = 1e-8. Weight decay λ is added to the
    gradient, g + λ θ, or, when `decoupled`, taken off the weights, θ − α λ θ (Loshchilov & Hutter, arXiv:1711.05101).
    `clip` and `factors` as in `StochasticGradientDescent`.
    """

    def __init__(
        self,
        parameters: Mapping[str, nn.Parameter],
        *,
        weight_decay: float,
        decoupled: bool = False,
        clip: float = 0.0,
        factors: Mapping[str, float] | None = None,
    ) -> None:
        self._parameters = dict(parameters)
        self._groups = parameter_groups(parameters, weight_decay, factors or {})
        self._decoupled = decoupled
        self._clip = clip
        self.velocities: dict[str, Tensor] = {}
        """NAME/mean, NAME/square and NAME/steps of every parameter that has moved; give others to go on from there."""

    @torch.no_grad()
    def step(self, learning_rate: float) -> None:
        """Move every parameter that has a gradient, and forget the gradients."""
        if self._clip:
            torch.nn.utils.clip_grad_norm_(self._parameters.values(), self._clip)
        for group in self._groups:
            moved, gradients = gradients_of(self._parameters, group.names)
            if not moved:
                continue
            means, squares, steps = ([self._kept(name, kind) for name in moved] for kind in (_MEAN, _SQUARE, _STEPS))
            adam(
                [self._parameters[name].data for name in moved],
                gradients,
                means,
                squares,
                [],
                steps,
                amsgrad=False,
                beta1=BETAS[0],
                beta2=BETAS[1],
                lr=learning_rate * group.factor,
                weight_decay=group.weight_decay,
                eps=EPSILON,
                maximize=False,
                decoupled_weight_decay=self._decoupled,
            )
        for parameter in self._parameters.values():
            parameter.grad = None

    def _kept(self, name: str, kind: str) -> Tensor:
        """What is kept from step to step, 0 at first."""
        key = f"{name}/{kind}"
        if key not in self.velocities:
            start = torch.tensor(0.0) if kind == _STEPS else torch.zeros_like(self._parameters[name])
            self.velocities[key] = start
        return self.velocities[key]
