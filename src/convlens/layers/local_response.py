"""Local response normalization: a strong response damps those at the same place in the neighboring channels.

Krizhevsky, Sutskever, Hinton: ImageNet Classification with Deep Convolutional Neural Networks, NIPS 2012,
section 3.3.
"""

import torch.nn.functional as F
from torch import Tensor, nn


class LocalResponseNorm(nn.Module):
    """x_i / (k + α Σ_j x_j²)^β, with the sum over the `size` channels j around i that there are.

    The defaults are the paper's. As there, α multiplies the sum; torch.nn.LocalResponseNorm multiplies the mean, and
    needs size times this α for the same. Shapes: x and the result are (batch, channels, height, width).
    """

    def __init__(self, size: int = 5, alpha: float = 1e-4, beta: float = 0.75, k: float = 2.0) -> None:
        super().__init__()
        self.size, self.alpha, self.beta, self.k = size, alpha, beta, k

    def forward(self, x: Tensor) -> Tensor:
        """The channels of x, each damped by its neighbors."""
        channels, before = x.shape[1], self.size // 2
        # Not as a pooling over channels: with them as a spatial axis, a place would have no receptive field.
        squares = F.pad(x * x, (0, 0, 0, 0, before, self.size - 1 - before))
        total = squares[:, :channels]
        for shift in range(1, self.size):
            total = total + squares[:, shift : shift + channels]
        return x / (self.k + self.alpha * total) ** self.beta

    def extra_repr(self) -> str:
        """The settings, for print(module)."""
        return f"size={self.size}, alpha={self.alpha}, beta={self.beta}, k={self.k}"
