"""Points of two classes on either side of a line, and a tiny model for them with everything that training changes."""

import functools

import torch
from torch import Tensor, nn

from convlens.training.learner import Model


class Points:
    """Labeled examples, as the loop wants them."""

    def __init__(self, number: int, seed: int) -> None:
        generator = torch.Generator().manual_seed(seed)
        self.inputs = torch.randn(number, 2, generator=generator)
        self.labels = (self.inputs.sum(1) > 0).long()
        self.files = [f"point {i}" for i in range(number)]

    def batch(self, indices: Tensor) -> tuple[Tensor, ...]:
        return (self.inputs[indices],)


def model(dropout: float = 0.0) -> Model:
    torch.manual_seed(0)
    linear = nn.Linear(2, 2)

    def forward(x: Tensor, training: bool) -> tuple[Tensor, ...]:
        return (linear(nn.functional.dropout(x, dropout, training)),)

    return Model(
        train_forward=functools.partial(forward, training=True),
        eval_forward=functools.partial(forward, training=False),
        parameters=dict(linear.named_parameters()),
    )


def model_with_everything() -> Model:
    """Batch normalization, whose buffers change, and dropout, which draws random numbers."""
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(2, 8), nn.BatchNorm1d(8), nn.Dropout(0.2), nn.Linear(8, 2))

    def forward(x: Tensor, training: bool) -> tuple[Tensor, ...]:
        return (module.train(training)(x),)

    return Model(
        train_forward=functools.partial(forward, training=True),
        eval_forward=functools.partial(forward, training=False),
        parameters=dict(module.named_parameters()),
        buffers=dict(module.named_buffers()),
    )
