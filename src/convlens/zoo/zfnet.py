"""ZFNet: AlexNet with a finer look at the image, found by looking at what AlexNet's layers had learned.

Zeiler, Fergus: Visualizing and Understanding Convolutional Networks, ECCV 2014, arXiv:1311.2901, figure 3. The maps
are normalized across channels after the pooling; the paper gives no settings for that, and AlexNet's are taken.
"""

import torch
from torch import Tensor, nn

from convlens.layers.local_response import LocalResponseNorm
from convlens.zoo.card import NetworkCard
from convlens.zoo.entry import family
from convlens.zoo.initialization import normal

CARD = NetworkCard(
    name="zfnet",
    year=2013,
    paper="Zeiler, Fergus: Visualizing and Understanding Convolutional Networks, ECCV 2014, arXiv:1311.2901",
    head="classifier.6",
    least_size=47,
)


class ZFNet(nn.Module):
    """Class scores (batch, classes) of images (batch, 3, height, width), of at least 47 pixels."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 96, kernel_size=7, stride=2, padding=1),
            nn.ReLU(inplace=True),
            _pooling(),
            LocalResponseNorm(),
            nn.Conv2d(96, 256, kernel_size=5, stride=2),
            nn.ReLU(inplace=True),
            _pooling(),
            LocalResponseNorm(),
            nn.Conv2d(256, 384, kernel_size=3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(384, 384, kernel_size=3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(384, 256, kernel_size=3, padding=1),
            nn.ReLU(inplace=True),
            _pooling(),
        )
        self.avgpool = nn.AdaptiveAvgPool2d(6)
        self.classifier = nn.Sequential(
            nn.Linear(256 * 6 * 6, 4096),
            nn.ReLU(inplace=True),
            nn.Dropout(0.5),
            nn.Linear(4096, 4096),
            nn.ReLU(inplace=True),
            nn.Dropout(0.5),
            nn.Linear(4096, classes),
        )
        normal(self, 0.01)  # section 3.1; biases 0

    def forward(self, x: Tensor) -> Tensor:
        """Class scores before the softmax."""
        scores: Tensor = self.classifier(torch.flatten(self.avgpool(self.features(x)), 1))
        return scores


def _pooling() -> nn.MaxPool2d:
    """From 110 to 55, from 26 to 13, from 13 to 6 places a side, as figure 3 has it."""
    return nn.MaxPool2d(kernel_size=3, stride=2, ceil_mode=True)


def zfnet(classes: int = 1000) -> ZFNet:
    """ZFNet, arXiv:1311.2901, figure 3."""
    return ZFNet(classes)


NETWORKS = family(CARD, zfnet=zfnet)
