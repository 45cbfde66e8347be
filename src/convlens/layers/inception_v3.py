"""The modules of Inception v3: large windows factorised into small ones.

Szegedy, Vanhoucke, Ioffe, Shlens, Wojna: Rethinking the Inception Architecture for Computer Vision, CVPR 2016,
arXiv:1512.00567. Each module joins its branches along the channels. Names and shapes are torchvision's.
Shapes: x is (batch, in_channels, height, width); the result has the channels that the class says, and height and width
of x, or half of them (odd sizes rounded down) after a reduction.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from convlens.layers.convolution import ConvNorm

_ROW, _ROW_PADDING = (1, 7), (0, 3)
_COLUMN, _COLUMN_PADDING = (7, 1), (3, 0)


class InceptionA(nn.Module):
    """5x5 beside two 3x3 in a row, which see as much (figure 5); gives 224 + `pool_features` channels."""

    def __init__(self, in_channels: int, pool_features: int) -> None:
        super().__init__()
        self.branch1x1 = ConvNorm(in_channels, 64, kernel_size=1)
        self.branch5x5_1 = ConvNorm(in_channels, 48, kernel_size=1)
        self.branch5x5_2 = ConvNorm(48, 64, kernel_size=5, padding=2)
        self.branch3x3dbl_1 = ConvNorm(in_channels, 64, kernel_size=1)
        self.branch3x3dbl_2 = ConvNorm(64, 96, kernel_size=3, padding=1)
        self.branch3x3dbl_3 = ConvNorm(96, 96, kernel_size=3, padding=1)
        self.branch_pool = ConvNorm(in_channels, pool_features, kernel_size=1)

    def forward(self, x: Tensor) -> Tensor:
        """The branches 1x1, 5x5, twice 3x3, pooled."""
        branches = (
            self.branch1x1(x),
            self.branch5x5_2(self.branch5x5_1(x)),
            self.branch3x3dbl_3(self.branch3x3dbl_2(self.branch3x3dbl_1(x))),
            self.branch_pool(_averaged(x)),
        )
        return torch.cat(branches, dim=1)


class ReductionA(nn.Module):
    """Half the size without a bottleneck: convolutions and a pooling of stride 2, side by side (figure 10).

    It gives 480 channels and those of x.
    """

    def __init__(self, in_channels: int) -> None:
        super().__init__()
        self.branch3x3 = ConvNorm(in_channels, 384, kernel_size=3, stride=2)
        self.branch3x3dbl_1 = ConvNorm(in_channels, 64, kernel_size=1)
        self.branch3x3dbl_2 = ConvNorm(64, 96, kernel_size=3, padding=1)
        self.branch3x3dbl_3 = ConvNorm(96, 96, kernel_size=3, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        """The branches 3x3, twice 3x3, pooled."""
        branches = (
            self.branch3x3(x),
            self.branch3x3dbl_3(self.branch3x3dbl_2(self.branch3x3dbl_1(x))),
            F.max_pool2d(x, kernel_size=3, stride=2),
        )
        return torch.cat(branches, dim=1)


class InceptionB(nn.Module):
    """7x7 factorised into 1x7 and 7x1, once and twice (figure 6); gives 768 channels.

    `width` is the number of channels between the factors.
    """

    def __init__(self, in_channels: int, width: int) -> None:
        super().__init__()
        self.branch1x1 = ConvNorm(in_channels, 192, kernel_size=1)
        self.branch7x7_1 = ConvNorm(in_channels, width, kernel_size=1)
        self.branch7x7_2 = ConvNorm(width, width, kernel_size=_ROW, padding=_ROW_PADDING)
        self.branch7x7_3 = ConvNorm(width, 192, kernel_size=_COLUMN, padding=_COLUMN_PADDING)
        self.branch7x7dbl_1 = ConvNorm(in_channels, width, kernel_size=1)
        self.branch7x7dbl_2 = ConvNorm(width, width, kernel_size=_COLUMN, padding=_COLUMN_PADDING)
        self.branch7x7dbl_3 = ConvNorm(width, width, kernel_size=_ROW, padding=_ROW_PADDING)
        self.branch7x7dbl_4 = ConvNorm(width, width, kernel_size=_COLUMN, padding=_COLUMN_PADDING)
        self.branch7x7dbl_5 = ConvNorm(width, 192, kernel_size=_ROW, padding=_ROW_PADDING)
        self.branch_pool = ConvNorm(in_channels, 192, kernel_size=1)

    def forward(self, x: Tensor) -> Tensor:
        """The branches 1x1, 7x7, twice 7x7, pooled."""
        twice = self.branch7x7dbl_3(self.branch7x7dbl_2(self.branch7x7dbl_1(x)))
        branches = (
            self.branch1x1(x),
            self.branch7x7_3(self.branch7x7_2(self.branch7x7_1(x))),
            self.branch7x7dbl_5(self.branch7x7dbl_4(twice)),
            self.branch_pool(_averaged(x)),
        )
        return torch.cat(branches, dim=1)


class ReductionB(nn.Module):
    """Half the size, a factorised 7x7 before one of the strides; gives 512 channels and those of x."""

    def __init__(self, in_channels: int) -> None:
        super().__init__()
        self.branch3x3_1 = ConvNorm(in_channels, 192, kernel_size=1)
        self.branch3x3_2 = ConvNorm(192, 320, kernel_size=3, stride=2)
        self.branch7x7x3_1 = ConvNorm(in_channels, 192, kernel_size=1)
        self.branch7x7x3_2 = ConvNorm(192, 192, kernel_size=_ROW, padding=_ROW_PADDING)
        self.branch7x7x3_3 = ConvNorm(192, 192, kernel_size=_COLUMN, padding=_COLUMN_PADDING)
        self.branch7x7x3_4 = ConvNorm(192, 192, kernel_size=3, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        """The branches 3x3, 7x7 and 3x3, pooled."""
        factorised = self.branch7x7x3_3(self.branch7x7x3_2(self.branch7x7x3_1(x)))
        branches = (
            self.branch3x3_2(self.branch3x3_1(x)),
            self.branch7x7x3_4(factorised),
            F.max_pool2d(x, kernel_size=3, stride=2),
        )
        return torch.cat(branches, dim=1)


class InceptionC(nn.Module):
    """1x3 and 3x1 side by side: many channels for the coarsest grid (figure 7); gives 2048 channels."""

    def __init__(self, in_channels: int) -> None:
        super().__init__()
        self.branch1x1 = ConvNorm(in_channels, 320, kernel_size=1)
        self.branch3x3_1 = ConvNorm(in_channels, 384, kernel_size=1)
        self.branch3x3_2a = ConvNorm(384, 384, kernel_size=(1, 3), padding=(0, 1))
        self.branch3x3_2b = ConvNorm(384, 384, kernel_size=(3, 1), padding=(1, 0))
        self.branch3x3dbl_1 = ConvNorm(in_channels, 448, kernel_size=1)
        self.branch3x3dbl_2 = ConvNorm(448, 384, kernel_size=3, padding=1)
        self.branch3x3dbl_3a = ConvNorm(384, 384, kernel_size=(1, 3), padding=(0, 1))
        self.branch3x3dbl_3b = ConvNorm(384, 384, kernel_size=(3, 1), padding=(1, 0))
        self.branch_pool = ConvNorm(in_channels, 192, kernel_size=1)

    def forward(self, x: Tensor) -> Tensor:
        """The branches 1x1, 1x3 and 3x1, the same behind a 3x3, pooled."""
        once = self.branch3x3_1(x)
        twice = self.branch3x3dbl_2(self.branch3x3dbl_1(x))
        branches = (
            self.branch1x1(x),
            self.branch3x3_2a(once),
            self.branch3x3_2b(once),
            self.branch3x3dbl_3a(twice),
            self.branch3x3dbl_3b(twice),
            self.branch_pool(_averaged(x)),
        )
        return torch.cat(branches, dim=1)


def _averaged(x: Tensor) -> Tensor:
    """Means of 3x3 places. The margin counts as zeros: torchvision's weights have been tried so."""
    return F.avg_pool2d(x, kernel_size=3, stride=1, padding=1)
