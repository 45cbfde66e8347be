"""SqueezeNet: AlexNet's accuracy with fifty times fewer parameters.

Iandola, Han, Moskewicz, Ashraf, Dally, Keutzer: SqueezeNet: AlexNet-level accuracy with 50x fewer parameters and
< 0.5 MB model size, 2016, arXiv:1602.07360. Version 1.1 is its authors' later form with 2.4 times fewer multiply-adds.
Names and shapes are torchvision's.
"""

import torch
from torch import Tensor, nn

from convlens.layers.fire import Fire
from convlens.zoo.card import NetworkCard
from convlens.zoo.entry import family
from convlens.zoo.initialization import he_normal, zero_biases

CARD = NetworkCard(
    name="squeezenet",
    year=2016,
    paper="Iandola, Han, Moskewicz, Ashraf, Dally, Keutzer: SqueezeNet: AlexNet-level accuracy with 50x fewer "
    "parameters and < 0.5 MB model size, arXiv:1602.07360",
    head="classifier.1",
    least_size=17,
)


class SqueezeNet(nn.Module):
    """Class scores (batch, classes) of images (batch, 3, height, width), of at least 17 pixels: version 1.1."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 64, kernel_size=3, stride=2),
            nn.ReLU(inplace=True),
            _pooling(),
            Fire(64, 16, 64),
            Fire(128, 16, 64),
            _pooling(),
            Fire(128, 32, 128),
            Fire(256, 32, 128),
            _pooling(),
            Fire(256, 48, 192),
            Fire(384, 48, 192),
            Fire(384, 64, 256),
            Fire(512, 64, 256),
        )
        self.classifier = nn.Sequential(
            nn.Dropout(0.5),
            nn.Conv2d(512, classes, kernel_size=1),
            nn.ReLU(inplace=True),
            nn.AdaptiveAvgPool2d(1),
        )
        he_normal(self, "fan_in")
        zero_biases(self)

    def forward(self, x: Tensor) -> Tensor:
        """Class scores before the softmax: the mean of each class's map."""
        return torch.flatten(self.classifier(self.features(x)), 1)


def _pooling() -> nn.MaxPool2d:
    return nn.MaxPool2d(kernel_size=3, stride=2, ceil_mode=True)


def squeezenet1_1(classes: int = 1000) -> SqueezeNet:
    """SqueezeNet 1.1, arXiv:1602.07360, as torchvision builds it."""
    return SqueezeNet(classes)


NETWORKS = family(CARD, squeezenet1_1=squeezenet1_1)
