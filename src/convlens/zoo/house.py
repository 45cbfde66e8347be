"""The house network: small enough to travel in the package, for images of 64 pixels.

Basic residual blocks (He et al., arXiv:1512.03385) with squeeze-and-excitation (Hu et al., arXiv:1709.01507)
and shortcuts that average before they project (He et al., arXiv:1812.01187). The stem has no pooling: the
images are small.
"""

import torch
from torch import Tensor, nn

from convlens.core.preprocessing import Preprocessing
from convlens.layers.residual import shortcut
from convlens.layers.squeeze_excite import SqueezeExcite
from convlens.zoo.card import NetworkCard
from convlens.zoo.entry import family
from convlens.zoo.initialization import he_normal

CARD = NetworkCard(
    name="house",
    year=2026,
    paper="convlens's own: ResNet (arXiv:1512.03385) with squeeze-and-excitation (arXiv:1709.01507) and "
    "ResNet-D shortcuts (arXiv:1812.01187)",
    head="fc",
    classes=200,
    data="tiny_imagenet",
    input_shape=(3, 64, 64),
    preprocessing=Preprocessing(size=64, resize=64),
    package_weights=True,
)


class SqueezeExciteBlock(nn.Module):
    """The residual block of two 3x3 convolutions and a squeeze-and-excitation, with a ResNet-D shortcut.

    Shapes: x is (batch, in_channels, height, width), the result (batch, width, ceil(height / stride), ...).
    """

    def __init__(self, in_channels: int, width: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, width, kernel_size=3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(width, width, kernel_size=3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.se = SqueezeExcite(width, reduction=8)
        self.downsample = shortcut(in_channels, width, stride, average_pooling=True)

    def forward(self, x: Tensor) -> Tensor:
        """relu(gated F(x) + shortcut(x))."""
        y: Tensor = self.relu(self.bn1(self.conv1(x)))
        y = self.se(self.bn2(self.conv2(y)))
        y += x if self.downsample is None else self.downsample(x)
        out: Tensor = self.relu(y)
        return out


class House(nn.Module):
    """Class scores (batch, classes) of images (batch, 3, height, width), of at least 32 pixels."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 32, kernel_size=3, stride=2, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(32)
        self.relu = nn.ReLU(inplace=True)
        self.layer1 = nn.Sequential(SqueezeExciteBlock(32, 32))
        self.layer2 = nn.Sequential(SqueezeExciteBlock(32, 64, stride=2), SqueezeExciteBlock(64, 64))
        self.layer3 = nn.Sequential(SqueezeExciteBlock(64, 128, stride=2), SqueezeExciteBlock(128, 128))
        self.layer4 = nn.Sequential(SqueezeExciteBlock(128, 256, stride=2), SqueezeExciteBlock(256, 256))
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(256, classes)
        he_normal(self, "fan_out")

    def forward(self, x: Tensor) -> Tensor:
        """Class scores before the softmax."""
        x = self.relu(self.bn1(self.conv1(x)))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        scores: Tensor = self.fc(torch.flatten(self.avgpool(x), 1))
        return scores


def house(classes: int = 200) -> House:
    """The house network, 16 layers; convlens's own."""
    return House(classes)


NETWORKS = family(CARD, house=house)
