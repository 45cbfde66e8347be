"""VGG: 3x3 convolutions all the way, in five stages that each end in a pooling.

Simonyan, Zisserman: Very Deep Convolutional Networks for Large-Scale Image Recognition, ICLR 2015,
arXiv:1409.1556. Batch normalization came later (Ioffe, Szegedy, ICML 2015, arXiv:1502.03167). Names and
shapes are torchvision's.
"""

import torch
from torch import Tensor, nn

from convlens.zoo.card import NetworkCard
from convlens.zoo.entry import family
from convlens.zoo.initialization import glorot_uniform

CARD = NetworkCard(
    name="vgg",
    year=2014,
    paper="Simonyan, Zisserman: Very Deep Convolutional Networks for Large-Scale Image Recognition, "
    "ICLR 2015, arXiv:1409.1556",
    head="classifier.6",
    least_size=32,
)

_WIDTHS = (64, 128, 256, 512, 512)
_A = (1, 1, 2, 2, 2)
_B = (2, 2, 2, 2, 2)
_D = (2, 2, 3, 3, 3)
_E = (2, 2, 4, 4, 4)
"""Convolutions in each stage; the letters are those of the paper's table 1."""


class VGG(nn.Module):
    """Class scores (batch, classes) of images (batch, 3, height, width), of at least 32 pixels."""

    def __init__(self, depths: tuple[int, ...], classes: int, *, batch_norm: bool = False) -> None:
        super().__init__()
        self.features = _features(depths, batch_norm)
        self.avgpool = nn.AdaptiveAvgPool2d(7)
        self.classifier = nn.Sequential(
            nn.Linear(512 * 7 * 7, 4096),
            nn.ReLU(inplace=True),
            nn.Dropout(0.5),
            nn.Linear(4096, 4096),
            nn.ReLU(inplace=True),
            nn.Dropout(0.5),
            nn.Linear(4096, classes),
        )
        glorot_uniform(self)  # section 3.1

    def forward(self, x: Tensor) -> Tensor:
        """Class scores before the softmax."""
        x = self.avgpool(self.features(x))
        scores: Tensor = self.classifier(torch.flatten(x, 1))
        return scores


def _features(depths: tuple[int, ...], batch_norm: bool) -> nn.Sequential:
    layers: list[nn.Module] = []
    in_channels = 3
    for depth, width in zip(depths, _WIDTHS, strict=True):
        for _ in range(depth):
            layers.append(nn.Conv2d(in_channels, width, kernel_size=3, padding=1))
            if batch_norm:
                layers.append(nn.BatchNorm2d(width))
            layers.append(nn.ReLU(inplace=True))
            in_channels = width
        layers.append(nn.MaxPool2d(kernel_size=2))
    return nn.Sequential(*layers)


def vgg11(classes: int = 1000) -> VGG:
    """VGG with 11 layers, configuration A of arXiv:1409.1556."""
    return VGG(_A, classes)


def vgg11_bn(classes: int = 1000) -> VGG:
    """VGG with 11 layers, configuration A of arXiv:1409.1556, and batch normalization."""
    return VGG(_A, classes, batch_norm=True)


def vgg13(classes: int = 1000) -> VGG:
    """VGG with 13 layers, configuration B of arXiv:1409.1556."""
    return VGG(_B, classes)


def vgg13_bn(classes: int = 1000) -> VGG:
    """VGG with 13 layers, configuration B of arXiv:1409.1556, and batch normalization."""
    return VGG(_B, classes, batch_norm=True)


def vgg16(classes: int = 1000) -> VGG:
    """VGG with 16 layers, configuration D of arXiv:1409.1556."""
    return VGG(_D, classes)


def vgg16_bn(classes: int = 1000) -> VGG:
    """VGG with 16 layers, configuration D of arXiv:1409.1556, and batch normalization."""
    return VGG(_D, classes, batch_norm=True)


def vgg19(classes: int = 1000) -> VGG:
    """VGG with 19 layers, configuration E of arXiv:1409.1556."""
    return VGG(_E, classes)


def vgg19_bn(classes: int = 1000) -> VGG:
    """VGG with 19 layers, configuration E of arXiv:1409.1556, and batch normalization."""
    return VGG(_E, classes, batch_norm=True)


NETWORKS = family(
    CARD,
    vgg11=vgg11,
    vgg11_bn=vgg11_bn,
    vgg13=vgg13,
    vgg13_bn=vgg13_bn,
    vgg16=vgg16,
    vgg16_bn=vgg16_bn,
    vgg19=vgg19,
    vgg19_bn=vgg19_bn,
)
