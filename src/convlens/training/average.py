"""The average of the weights over the steps, which does better than the last weights."""

import contextlib
from collections.abc import Iterator, Mapping

import torch
from torch import Tensor


def decay_after(steps: int, most: float) -> float:
    """The decay d of the average after step number t: `most`, or (1 + t) / (10 + t) where that is less.

    So the random start is forgotten soon.
    """
    return min(most, (1 + steps) / (10 + steps))


class WeightAverage:
    """Exponential moving average: a ← d a + (1 − d) θ after every step, of parameters and floating-point buffers.

    d is `decay`, less in the first steps (see `decay_after`). Polyak & Juditsky, Acceleration of stochastic
    approximation by averaging, 1992, in its exponential form.
    """

    def __init__(self, tensors: Mapping[str, Tensor], decay: float) -> None:
        self._current = {name: tensor for name, tensor in tensors.items() if tensor.is_floating_point()}
        self._decay = decay
        self.values = {name: tensor.detach().clone() for name, tensor in self._current.items()}
        """The averages, by name."""

    @torch.no_grad()
    def update(self, steps: int) -> None:
        """Take in the weights after step number `steps`, counted from 1."""
        decay = decay_after(steps, self._decay)
        for name, tensor in self._current.items():
            self.values[name].lerp_(tensor, 1 - decay)

    @contextlib.contextmanager
    def in_place(self) -> Iterator[None]:
        """Inside, the network's tensors hold the averages."""
        self._swap()
        try:
            yield
        finally:
            self._swap()

    @torch.no_grad()
    def settle(self) -> None:
        """Give the network's tensors the averages for good."""
        for name, tensor in self._current.items():
            tensor.copy_(self.values[name])

    @torch.no_grad()
    def _swap(self) -> None:
        for name, tensor in self._current.items():
            value = self.values[name]
            kept = tensor.clone()
            tensor.copy_(value)
            value.copy_(kept)
