"""DenseNet-BC: four dense blocks with transitions between them.

Huang, Liu, van der Maaten, Weinberger: Densely Connected Convolutional Networks, CVPR 2017, arXiv:1608.06993.
Names and shapes are torchvision's.
"""

from collections import OrderedDict

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from convlens.layers.dense import DenseBlock, Transition
from convlens.zoo.card import NetworkCard
from convlens.zoo.entry import family
from convlens.zoo.initialization import he_normal

CARD = NetworkCard(
    name="densenet",
    year=2016,
    paper="Huang, Liu, van der Maaten, Weinberger: Densely Connected Convolutional Networks, CVPR 2017, "
    "arXiv:1608.06993",
    head="classifier",
    least_size=29,
)


class DenseNet(nn.Module):
    """Class scores (batch, classes) of images (batch, 3, height, width), of at least 29 pixels.

    `depths` are the numbers of layers in the blocks.
    """

    def __init__(self, depths: tuple[int, ...], growth_rate: int, classes: int) -> None:
        super().__init__()
        self.features, channels = _features(depths, growth_rate)
        self.classifier = nn.Linear(channels, classes)
        he_normal(self, "fan_in")
        nn.init.zeros_(self.classifier.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Class scores before the softmax."""
        x = F.relu(self.features(x), inplace=True)
        x = F.adaptive_avg_pool2d(x, 1)
        scores: Tensor = self.classifier(torch.flatten(x, 1))
        return scores


def _features(depths: tuple[int, ...], growth_rate: int) -> tuple[nn.Sequential, int]:
    """The convolutional part, and how many channels it gives."""
    channels = 2 * growth_rate
    layers: dict[str, nn.Module] = {
        "conv0": nn.Conv2d(3, channels, kernel_size=7, stride=2, padding=3, bias=False),
        "norm0": nn.BatchNorm2d(channels),
        "relu0": nn.ReLU(inplace=True),
        "pool0": nn.MaxPool2d(kernel_size=3, stride=2, padding=1),
    }
    for i, depth in enumerate(depths, start=1):
        layers[f"denseblock{i}"] = DenseBlock(channels, growth_rate, depth)
        channels += depth * growth_rate
        if i < len(depths):
            layers[f"transition{i}"] = Transition(channels, channels // 2)
            channels //= 2
    layers["norm5"] = nn.BatchNorm2d(channels)
    return nn.Sequential(OrderedDict(layers)), channels


def densenet121(classes: int = 1000) -> DenseNet:
    """DenseNet with 121 layers and growth rate 32, arXiv:1608.06993, table 1."""
    return DenseNet((6, 12, 24, 16), 32, classes)


def densenet161(classes: int = 1000) -> DenseNet:
    """DenseNet with 161 layers and growth rate 48, arXiv:1608.06993, figure 3."""
    return DenseNet((6, 12, 36, 24), 48, classes)


def densenet169(classes: int = 1000) -> DenseNet:
    """DenseNet with 169 layers and growth rate 32, arXiv:1608.06993, table 1."""
    return DenseNet((6, 12, 32, 32), 32, classes)


def densenet201(classes: int = 1000) -> DenseNet:
    """DenseNet with 201 layers and growth rate 32, arXiv:1608.06993, table 1."""
    return DenseNet((6, 12, 48, 32), 32, classes)


NETWORKS = family(
    CARD,
    densenet121=densenet121,
    densenet161=densenet161,
    densenet169=densenet169,
    densenet201=densenet201,
)
