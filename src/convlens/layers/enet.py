"""The blocks of ENet's encoder: bottlenecks beside a path that pools, all with parametric rectifiers.

Paszke, Chaurasia, Kim, Culurciello: ENet: A Deep Neural Network Architecture for Real-Time Semantic Segmentation,
2016, arXiv:1606.02147, section 3. Shapes: x is (batch, in_channels, height, width).
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Middle = Callable[[int], nn.Module]
"""Channels in, convolution that keeps the shape out."""


class Initial(nn.Module):
    """13 strided 3x3 filters beside a pooling of the 3 colors (figure 2, a): 16 channels of half the size."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 13, kernel_size=3, stride=2, padding=1, bias=False)
        self.pool = nn.MaxPool2d(kernel_size=2, ceil_mode=True)  # the convolution rounds odd sizes up
        self.norm = nn.BatchNorm2d(16)
        self.activation = nn.PReLU(16)

    def forward(self, x: Tensor) -> Tensor:
        """The filters' channels, then the colors, normalized and rectified."""
        x = torch.cat((self.conv(x), self.pool(x)), dim=1)
        out: Tensor = self.activation(self.norm(x))
        return out


class Bottleneck(nn.Module):
    """prelu(x + F(x)), with F a projection to few channels, a convolution and an expansion (figure 2, b).

    F has a quarter of `out_channels` inside, no biases, and spatial dropout at the rate `dropout` at its end.
    `convolution` builds its middle for a number of channels: `regular`, `asymmetric`, or `dilated` of a dilation. With
    `downsampling` the projection is a 2x2 of stride 2, and x is pooled; channels that x lacks are zeros.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        convolution: Middle,
        *,
        dropout: float,
        downsampling: bool = False,
    ) -> None:
        super().__init__()
        width, step = out_channels // 4, 2 if downsampling else 1
        self.missing_channels = out_channels - in_channels
        self.pool = nn.MaxPool2d(kernel_size=2) if downsampling else nn.Identity()
        self.branch = nn.Sequential(
            nn.Conv2d(in_channels, width, kernel_size=step, stride=step, bias=False),
            nn.BatchNorm2d(width),
            nn.PReLU(width),
            convolution(width),
            nn.BatchNorm2d(width),
            nn.PReLU(width),
            nn.Conv2d(width, out_channels, kernel_size=1, bias=False),
            nn.BatchNorm2d(out_channels),
            nn.Dropout2d(dropout),
        )
        self.activation = nn.PReLU(out_channels)

    def forward(self, x: Tensor) -> Tensor:
        """prelu(x + F(x)), x pooled and filled up with zeros where F changes its shape."""
        y = self.branch(x)
        x = self.pool(x)
        if self.missing_channels:
            x = F.pad(x, (0, 0, 0, 0, 0, self.missing_channels))
        out: Tensor = self.activation(x + y)
        return out


def regular(width: int) -> nn.Module:
    """3x3."""
    return nn.Conv2d(width, width, kernel_size=3, padding=1, bias=False)


def asymmetric(width: int) -> nn.Module:
    """5x5 factorised into 5x1 and 1x5 (section 4, "factorizing filters")."""
    return nn.Sequential(
        nn.Conv2d(width, width, kernel_size=(5, 1), padding=(2, 0), bias=False),
        nn.Conv2d(width, width, kernel_size=(1, 5), padding=(0, 2), bias=False),
    )


def dilated(dilation: int) -> Middle:
    """3x3 with its pixels `dilation` apart."""
    return lambda width: nn.Conv2d(width, width, kernel_size=3, padding=dilation, dilation=dilation, bias=False)
