"""Auxiliary classifiers: small heads in the middle of a deep network, whose losses help its first layers to learn.

Szegedy, Liu, Jia et al.: Going deeper with convolutions, CVPR 2015, arXiv:1409.4842, section 5; and Szegedy,
Vanhoucke, Ioffe, Shlens, Wojna: Rethinking the Inception Architecture, CVPR 2016, arXiv:1512.00567, section 4.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from convlens.layers.convolution import ConvNorm, Convolution


class ScoresWithAuxiliary(NamedTuple):
    """What a network with auxiliary classifiers gives in training mode; in evaluation mode it gives `scores` alone."""

    scores: Tensor
    """(batch, classes), before the softmax."""
    auxiliary: tuple[Tensor, ...]
    """The same from each auxiliary classifier, that nearest to the input first."""


class AuxiliaryHead(nn.Module):
    """GoogLeNet's auxiliary classifier: pooling to 4x4, a 1x1 convolution, two linear layers, 70% dropout.

    Shapes: x is (batch, in_channels, height, width), the result (batch, classes). `pooling` makes 4x4 places of x.
    """

    def __init__(self, in_channels: int, classes: int, pooling: nn.Module, convolution: Convolution) -> None:
        super().__init__()
        self.pooling = pooling
        self.conv = convolution(in_channels, 128, kernel_size=1)
        self.fc1 = nn.Linear(128 * 4 * 4, 1024)
        self.fc2 = nn.Linear(1024, classes)
        self.dropout = nn.Dropout(0.7)

    def forward(self, x: Tensor) -> Tensor:
        """Class scores before the softmax."""
        x = torch.flatten(self.conv(self.pooling(x)), 1)
        x = self.dropout(F.relu(self.fc1(x), inplace=True))
        scores: Tensor = self.fc2(x)
        return scores


class NormalizedAuxiliaryHead(nn.Module):
    """Inception v3's auxiliary classifier, with batch normalization (arXiv:1512.00567, figure 8).

    Shapes: x is (batch, in_channels, height, width), the result (batch, classes).
    """

    def __init__(self, in_channels: int, classes: int) -> None:
        super().__init__()
        self.conv0 = ConvNorm(in_channels, 128, kernel_size=1)
        self.conv1 = ConvNorm(128, 768, kernel_size=5)
        self.fc = nn.Linear(768, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Class scores before the softmax."""
        x = self.conv1(self.conv0(_pooled_to_five(x)))
        scores: Tensor = self.fc(torch.flatten(F.adaptive_avg_pool2d(x, 1), 1))
        return scores


def _pooled_to_five(x: Tensor) -> Tensor:
    """At least 5x5 means: of 5x5 windows of stride 3 for the 17x17 places that the paper has, of parts of fewer."""
    if min(x.shape[2:]) < 17:
        return F.adaptive_avg_pool2d(x, 5)
    return F.avg_pool2d(x, kernel_size=5, stride=3)
