"""The Inception module of GoogLeNet: windows of several sizes look at the same places, side by side.

Szegedy, Liu, Jia et al.: Going deeper with convolutions, CVPR 2015, arXiv:1409.4842, figure 2 (b).
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from convlens.layers.convolution import Convolution


class Widths(NamedTuple):
    """Channels within an Inception module: one line of the paper's table 1."""

    single: int
    """1x1."""
    reduce_middle: int
    """1x1 before the 3x3."""
    middle: int
    """3x3."""
    reduce_large: int
    """1x1 before the larger window."""
    large: int
    """5x5, or 3x3."""
    pooled: int
    """1x1 behind the pooling."""


class Inception(nn.Module):
    """A 1x1, a 3x3, a larger convolution and a pooling of x, joined along the channels.

    The larger window is 5x5 in the paper; `large_kernel` 3 is the form that torchvision's weights fit. Shapes: x is
    (batch, in_channels, height, width), the result the same with as many channels as its branches give together.
    """

    def __init__(self, in_channels: int, widths: Widths, large_kernel: int, convolution: Convolution) -> None:
        super().__init__()
        self.branch1 = convolution(in_channels, widths.single, kernel_size=1)
        self.branch2 = nn.Sequential(
            convolution(in_channels, widths.reduce_middle, kernel_size=1),
            convolution(widths.reduce_middle, widths.middle, kernel_size=3, padding=1),
        )
        self.branch3 = nn.Sequential(
            convolution(in_channels, widths.reduce_large, kernel_size=1),
            convolution(widths.reduce_large, widths.large, kernel_size=large_kernel, padding=large_kernel // 2),
        )
        self.branch4 = nn.Sequential(
            nn.MaxPool2d(kernel_size=3, stride=1, padding=1),
            convolution(in_channels, widths.pooled, kernel_size=1),
        )

    def forward(self, x: Tensor) -> Tensor:
        """The four branches, joined along the channels."""
        return torch.cat((self.branch1(x), self.branch2(x), self.branch3(x), self.branch4(x)), dim=1)
