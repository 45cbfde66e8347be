"""Inception v3: factorised windows, three grids, batch normalization everywhere.

Szegedy, Vanhoucke, Ioffe, Shlens, Wojna: Rethinking the Inception Architecture for Computer Vision, CVPR 2016,
arXiv:1512.00567, section 6. Names and shapes are torchvision's.
"""

import torch
from torch import Tensor, nn

from convlens.core.preprocessing import Preprocessing
from convlens.layers.auxiliary import NormalizedAuxiliaryHead, ScoresWithAuxiliary
from convlens.layers.convolution import ConvNorm
from convlens.layers.inception_v3 import InceptionA, InceptionB, InceptionC, ReductionA, ReductionB
from convlens.zoo.card import NetworkCard
from convlens.zoo.entry import family
from convlens.zoo.initialization import he_normal, zero_biases

CARD = NetworkCard(
    name="inception_v3",
    year=2015,
    paper="Szegedy, Vanhoucke, Ioffe, Shlens, Wojna: Rethinking the Inception Architecture for Computer Vision, "
    "CVPR 2016, arXiv:1512.00567",
    head="fc",
    input_shape=(3, 299, 299),
    least_size=75,
    # The weights are TensorFlow's, which had images in -1..1; torchvision shifts them within the network.
    preprocessing=Preprocessing(size=299, resize=342, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5)),
    # The paper gives none; the authors' own training code has 0.4.
    auxiliary_weight=0.4,
)


class InceptionV3(nn.Module):
    """Class scores (batch, classes) of images (batch, 3, height, width), of at least 75 pixels.

    In training mode it gives ScoresWithAuxiliary.
    """

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.Conv2d_1a_3x3 = ConvNorm(3, 32, kernel_size=3, stride=2)
        self.Conv2d_2a_3x3 = ConvNorm(32, 32, kernel_size=3)
        self.Conv2d_2b_3x3 = ConvNorm(32, 64, kernel_size=3, padding=1)
        self.maxpool1 = nn.MaxPool2d(kernel_size=3, stride=2)
        self.Conv2d_3b_1x1 = ConvNorm(64, 80, kernel_size=1)
        self.Conv2d_4a_3x3 = ConvNorm(80, 192, kernel_size=3)
        self.maxpool2 = nn.MaxPool2d(kernel_size=3, stride=2)
        self.Mixed_5b = InceptionA(192, pool_features=32)
        self.Mixed_5c = InceptionA(256, pool_features=64)
        self.Mixed_5d = InceptionA(288, pool_features=64)
        self.Mixed_6a = ReductionA(288)
        self.Mixed_6b = InceptionB(768, width=128)
        self.Mixed_6c = InceptionB(768, width=160)
        self.Mixed_6d = InceptionB(768, width=160)
        self.Mixed_6e = InceptionB(768, width=192)
        self.AuxLogits = NormalizedAuxiliaryHead(768, classes)
        self.Mixed_7a = ReductionB(768)
        self.Mixed_7b = InceptionC(1280)
        self.Mixed_7c = InceptionC(2048)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.dropout = nn.Dropout(0.5)
        self.fc = nn.Linear(2048, classes)
        he_normal(self, "fan_in")
        zero_biases(self)

    def forward(self, x: Tensor) -> Tensor | ScoresWithAuxiliary:
        """Class scores before the softmax."""
        x = self.Conv2d_2b_3x3(self.Conv2d_2a_3x3(self.Conv2d_1a_3x3(x)))
        x = self.maxpool2(self.Conv2d_4a_3x3(self.Conv2d_3b_1x1(self.maxpool1(x))))
        x = self.Mixed_5d(self.Mixed_5c(self.Mixed_5b(x)))
        middle = x = self.Mixed_6e(self.Mixed_6d(self.Mixed_6c(self.Mixed_6b(self.Mixed_6a(x)))))
        x = self.Mixed_7c(self.Mixed_7b(self.Mixed_7a(x)))
        scores: Tensor = self.fc(torch.flatten(self.dropout(self.avgpool(x)), 1))
        return ScoresWithAuxiliary(scores, (self.AuxLogits(middle),)) if self.training else scores


def inception_v3(classes: int = 1000) -> InceptionV3:
    """Inception v3 with its auxiliary classifier, arXiv:1512.00567, as torchvision builds it."""
    return InceptionV3(classes)


NETWORKS = family(CARD, inception_v3=inception_v3)
