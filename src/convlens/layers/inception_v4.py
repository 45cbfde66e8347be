"""The modules of Inception v4: the ideas of v3 in one regular form.

Szegedy, Ioffe, Vanhoucke, Alemi: Inception-v4, Inception-ResNet and the Impact of Residual Connections on Learning,
AAAI 2017, arXiv:1602.07261, figures 3 to 8. Shapes: x is (batch, in_channels, height, width); the result has the
channels that the class says, and height and width of x, or half of them (odd sizes rounded down) after a reduction.
"""

import torch
from torch import Tensor, nn

from convlens.layers.convolution import ConvNorm, Size


class Branches(nn.ModuleList):
    """The outputs of all branches for the same x, joined along the channels."""

    def __init__(self, *branches: nn.Module) -> None:
        super().__init__(branches)

    def forward(self, x: Tensor) -> Tensor:
        """The branches' outputs in their order."""
        return torch.cat([branch(x) for branch in self], dim=1)


class Stem(nn.Sequential):
    """From (batch, 3, 299, 299) to (batch, 384, 35, 35): three times half the size (figure 3)."""

    def __init__(self) -> None:
        super().__init__(
            ConvNorm(3, 32, kernel_size=3, stride=2),
            ConvNorm(32, 32, kernel_size=3),
            _same(32, 64, 3),
            Branches(_max_pooling(), ConvNorm(64, 96, kernel_size=3, stride=2)),
            Branches(
                nn.Sequential(_same(160, 64, 1), ConvNorm(64, 96, kernel_size=3)),
                nn.Sequential(
                    _same(160, 64, 1), _same(64, 64, (7, 1)), _same(64, 64, (1, 7)), ConvNorm(64, 96, kernel_size=3)
                ),
            ),
            Branches(ConvNorm(192, 192, kernel_size=3, stride=2), _max_pooling()),
        )


class InceptionA(Branches):
    """For the 35x35 grid, 384 channels (figure 4)."""

    def __init__(self) -> None:
        super().__init__(
            nn.Sequential(_average_pooling(), _same(384, 96, 1)),
            _same(384, 96, 1),
            nn.Sequential(_same(384, 64, 1), _same(64, 96, 3)),
            nn.Sequential(_same(384, 64, 1), _same(64, 96, 3), _same(96, 96, 3)),
        )


class ReductionA(Branches):
    """From 35x35 to 17x17 and from 384 to 1024 channels (figure 7, k, l, m, n = 192, 224, 256, 384)."""

    def __init__(self) -> None:
        super().__init__(
            _max_pooling(),
            ConvNorm(384, 384, kernel_size=3, stride=2),
            nn.Sequential(_same(384, 192, 1), _same(192, 224, 3), ConvNorm(224, 256, kernel_size=3, stride=2)),
        )


class InceptionB(Branches):
    """For the 17x17 grid, 1024 channels (figure 5).

    The figure has two 1x7 in a row in its third branch; one of them is meant as 7x1, as everywhere else.
    """

    def __init__(self) -> None:
        super().__init__(
            nn.Sequential(_average_pooling(), _same(1024, 128, 1)),
            _same(1024, 384, 1),
            nn.Sequential(_same(1024, 192, 1), _same(192, 224, (1, 7)), _same(224, 256, (7, 1))),
            nn.Sequential(
                _same(1024, 192, 1),
                _same(192, 192, (1, 7)),
                _same(192, 224, (7, 1)),
                _same(224, 224, (1, 7)),
                _same(224, 256, (7, 1)),
            ),
        )


class ReductionB(Branches):
    """From 17x17 to 8x8 and from 1024 to 1536 channels (figure 8)."""

    def __init__(self) -> None:
        super().__init__(
            _max_pooling(),
            nn.Sequential(_same(1024, 192, 1), ConvNorm(192, 192, kernel_size=3, stride=2)),
            nn.Sequential(
                _same(1024, 256, 1),
                _same(256, 256, (1, 7)),
                _same(256, 320, (7, 1)),
                ConvNorm(320, 320, kernel_size=3, stride=2),
            ),
        )


class InceptionC(Branches):
    """For the 8x8 grid, 1536 channels (figure 6)."""

    def __init__(self) -> None:
        super().__init__(
            nn.Sequential(_average_pooling(), _same(1536, 256, 1)),
            _same(1536, 256, 1),
            nn.Sequential(_same(1536, 384, 1), _cross(384, 256)),
            nn.Sequential(_same(1536, 384, 1), _same(384, 448, (1, 3)), _same(448, 512, (3, 1)), _cross(512, 256)),
        )


def _cross(in_channels: int, width: int) -> Branches:
    """1x3 and 3x1 side by side."""
    return Branches(_same(in_channels, width, (1, 3)), _same(in_channels, width, (3, 1)))


def _same(in_channels: int, out_channels: int, kernel_size: Size) -> ConvNorm:
    """A convolution that keeps height and width."""
    height, width = (kernel_size, kernel_size) if isinstance(kernel_size, int) else kernel_size
    return ConvNorm(in_channels, out_channels, kernel_size=kernel_size, padding=(height // 2, width // 2))


def _max_pooling() -> nn.MaxPool2d:
    return nn.MaxPool2d(kernel_size=3, stride=2)


def _average_pooling() -> nn.AvgPool2d:
    """Means of 3x3 places; those that are not there do not count."""
    return nn.AvgPool2d(kernel_size=3, stride=1, padding=1, count_include_pad=False)
