"""A convolution with its rectifier: the unit that Inception networks are made of.

Shapes: x is (batch, in_channels, height, width), the result (batch, out_channels, ...) as the convolution makes it.
"""

from typing import Protocol

import torch.nn.functional as F
from torch import Tensor, nn

Size = int | tuple[int, int]
"""For both axes, or (height, width)."""


class Convolution(Protocol):
    """What builds a convolution with its rectifier: ConvReLU or ConvNorm."""

    def __call__(
        self, in_channels: int, out_channels: int, *, kernel_size: Size, stride: int = 1, padding: Size = 0
    ) -> nn.Module:
        """The module, with values drawn as torch draws them."""
        ...


class ConvReLU(nn.Module):
    """relu(conv(x) + bias)."""

    def __init__(
        self, in_channels: int, out_channels: int, *, kernel_size: Size, stride: int = 1, padding: Size = 0
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, kernel_size, stride, padding)

    def forward(self, x: Tensor) -> Tensor:
        """relu(conv(x) + bias)."""
        return F.relu(self.conv(x), inplace=True)


class ConvNorm(nn.Module):
    """relu(batch normalization(conv(x))).

    The variance is floored by 0.001, as in the weights that Inception networks are published with.
    """

    def __init__(
        self, in_channels: int, out_channels: int, *, kernel_size: Size, stride: int = 1, padding: Size = 0
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, kernel_size, stride, padding, bias=False)
        self.bn = nn.BatchNorm2d(out_channels, eps=0.001)

    def forward(self, x: Tensor) -> Tensor:
        """relu(bn(conv(x)))."""
        return F.relu(self.bn(self.conv(x)), inplace=True)
