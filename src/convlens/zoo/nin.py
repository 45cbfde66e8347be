"""Network in network: a small network of 1x1 convolutions behind every convolution, and no linear layer at the end.

Lin, Chen, Yan: Network In Network, ICLR 2014, arXiv:1312.4400. The paper describes its networks for 32x32 pixels; this
is the form for ImageNet that its authors published, with AlexNet's windows.
"""

import torch
from torch import Tensor, nn

from convlens.zoo.card import NetworkCard
from convlens.zoo.entry import family
from convlens.zoo.initialization import he_normal, zero_biases

CARD = NetworkCard(
    name="nin",
    year=2013,
    paper="Lin, Chen, Yan: Network In Network, ICLR 2014, arXiv:1312.4400",
    head="classifier.4",
    least_size=39,
)


class NIN(nn.Module):
    """Class scores (batch, classes) of images (batch, 3, height, width), of at least 39 pixels."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.features = nn.Sequential(
            _mlpconv(nn.Conv2d(3, 96, kernel_size=11, stride=4), 96),
            _pooling(),
            _mlpconv(nn.Conv2d(96, 256, kernel_size=5, padding=2), 256),
            _pooling(),
            _mlpconv(nn.Conv2d(256, 384, kernel_size=3, padding=1), 384),
            _pooling(),
            nn.Dropout(0.5),
        )
        self.classifier = _mlpconv(nn.Conv2d(384, 1024, kernel_size=3, padding=1), classes)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        he_normal(self, "fan_in")
        zero_biases(self)

    def forward(self, x: Tensor) -> Tensor:
        """Class scores before the softmax: the mean of each class's map."""
        return torch.flatten(self.avgpool(self.classifier(self.features(x))), 1)


def _mlpconv(convolution: nn.Conv2d, out_channels: int) -> nn.Sequential:
    """A convolution and two of 1x1, each with a rectifier (section 3.1, equation 2)."""
    width = convolution.out_channels
    return nn.Sequential(
        convolution,
        nn.ReLU(inplace=True),
        nn.Conv2d(width, width, kernel_size=1),
        nn.ReLU(inplace=True),
        nn.Conv2d(width, out_channels, kernel_size=1),
        nn.ReLU(inplace=True),
    )


def _pooling() -> nn.MaxPool2d:
    return nn.MaxPool2d(kernel_size=3, stride=2, ceil_mode=True)


def nin(classes: int = 1000) -> NIN:
    """Network in network with four mlpconv layers, arXiv:1312.4400, in the form for ImageNet."""
    return NIN(classes)


NETWORKS = family(CARD, nin=nin)
