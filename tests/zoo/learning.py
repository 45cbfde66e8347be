"""Whether a network learns at all: a few steps of gradient descent on a tiny batch."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def losses(module: nn.Module, x: Tensor, target: Tensor, *, rate: float, steps: int = 10) -> list[float]:
    """The cross-entropies before each of `steps` steps of SGD with momentum, in training mode."""
    module.train()
    optimizer = torch.optim.SGD(module.parameters(), lr=rate, momentum=0.9)
    seen = []
    for _ in range(steps):
        optimizer.zero_grad()
        loss = F.cross_entropy(module(x), target)
        loss.backward()
        optimizer.step()
        seen.append(loss.item())
    return seen
