"""MobileNet v2: inverted residual blocks, for the processors of telephones.

Sandler, Howard, Zhu, Zhmoginov, Chen: MobileNetV2: Inverted Residuals and Linear Bottlenecks, CVPR 2018,
arXiv:1801.04381, table 2. Names and shapes are torchvision's.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from convlens.layers.inverted_residual import ConvNormReLU6, InvertedResidual
from convlens.zoo.card import NetworkCard
from convlens.zoo.entry import family
from convlens.zoo.initialization import he_normal, normal

CARD = NetworkCard(
    name="mobilenet",
    year=2018,
    paper="Sandler, Howard, Zhu, Zhmoginov, Chen: MobileNetV2: Inverted Residuals and Linear Bottlenecks, CVPR 2018, "
    "arXiv:1801.04381",
    head="classifier.1",
)

_STAGES = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)
"""Expansion, channels, blocks, stride of the first block: t, c, n, s of table 2."""


class MobileNetV2(nn.Module):
    """Class scores (batch, classes) of images (batch, 3, height, width), of any size."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.features = _features()
        self.classifier = nn.Sequential(nn.Dropout(0.2), nn.Linear(1280, classes))
        he_normal(self.features, "fan_in")
        normal(self.classifier, 0.01)

    def forward(self, x: Tensor) -> Tensor:
        """Class scores before the softmax."""
        x = F.adaptive_avg_pool2d(self.features(x), 1)
        scores: Tensor = self.classifier(torch.flatten(x, 1))
        return scores


def _features() -> nn.Sequential:
    channels = 32
    layers: list[nn.Module] = [ConvNormReLU6(3, channels, 3, stride=2)]
    for expansion, width, depth, stride in _STAGES:
        for i in range(depth):
            layers.append(InvertedResidual(channels, width, stride=stride if i == 0 else 1, expansion=expansion))
            channels = width
    return nn.Sequential(*layers, ConvNormReLU6(channels, 1280, 1))


def mobilenet_v2(classes: int = 1000) -> MobileNetV2:
    """MobileNet v2 of width 1, arXiv:1801.04381, table 2."""
    return MobileNetV2(classes)


NETWORKS = family(CARD, mobilenet_v2=mobilenet_v2)
