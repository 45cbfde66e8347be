"""Inception v4: a uniform network of many more modules than v3, without residual connections.

Szegedy, Ioffe, Vanhoucke, Alemi: Inception-v4, Inception-ResNet and the Impact of Residual Connections on Learning,
AAAI 2017, arXiv:1602.07261, figure 9.
"""

import torch
from torch import Tensor, nn

from convlens.core.preprocessing import Preprocessing
from convlens.layers.inception_v4 import InceptionA, InceptionB, InceptionC, ReductionA, ReductionB, Stem
from convlens.zoo.card import NetworkCard
from convlens.zoo.entry import family
from convlens.zoo.initialization import he_normal, zero_biases

CARD = NetworkCard(
    name="inception_v4",
    year=2016,
    paper="Szegedy, Ioffe, Vanhoucke, Alemi: Inception-v4, Inception-ResNet and the Impact of Residual Connections on "
    "Learning, AAAI 2017, arXiv:1602.07261",
    head="fc",
    input_shape=(3, 299, 299),
    least_size=75,
    preprocessing=Preprocessing(size=299, resize=342, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5)),
)


class InceptionV4(nn.Module):
    """Class scores (batch, classes) of images (batch, 3, height, width), of at least 75 pixels."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.stem = Stem()
        self.inception_a = nn.Sequential(*(InceptionA() for _ in range(4)))
        self.reduction_a = ReductionA()
        self.inception_b = nn.Sequential(*(InceptionB() for _ in range(7)))
        self.reduction_b = ReductionB()
        self.inception_c = nn.Sequential(*(InceptionC() for _ in range(3)))
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.dropout = nn.Dropout(0.2)
        self.fc = nn.Linear(1536, classes)
        he_normal(self, "fan_in")
        zero_biases(self)

    def forward(self, x: Tensor) -> Tensor:
        """Class scores before the softmax."""
        x = self.reduction_a(self.inception_a(self.stem(x)))
        x = self.inception_c(self.reduction_b(self.inception_b(x)))
        scores: Tensor = self.fc(torch.flatten(self.dropout(self.avgpool(x)), 1))
        return scores


def inception_v4(classes: int = 1000) -> InceptionV4:
    """Inception v4 with 4, 7 and 3 modules on its grids, arXiv:1602.07261, figure 9."""
    return InceptionV4(classes)


NETWORKS = family(CARD, inception_v4=inception_v4)
