"""GoogLeNet: nine Inception modules, and no linear layer but the last.

Szegedy, Liu, Jia et al.: Going deeper with convolutions, CVPR 2015, arXiv:1409.4842, table 1. Two forms: `googlenet`
is the one that torchvision's weights fit, with names and shapes as there; it has batch normalization, and 3x3 where
the paper has 5x5. `googlenet_paper` is the paper's.
"""

from collections.abc import Callable
from types import MappingProxyType
from typing import NamedTuple

import torch
from torch import Tensor, nn

from convlens.core.preprocessing import Preprocessing
from convlens.layers.auxiliary import AuxiliaryHead, ScoresWithAuxiliary
from convlens.layers.convolution import ConvNorm, Convolution, ConvReLU
from convlens.layers.inception import Inception, Widths
from convlens.layers.local_response import LocalResponseNorm
from convlens.zoo.card import NetworkCard
from convlens.zoo.entry import family
from convlens.zoo.initialization import he_normal, zero_biases

PAPER_CARD = NetworkCard(
    name="googlenet_paper",
    year=2014,
    paper="Szegedy, Liu, Jia et al.: Going deeper with convolutions, CVPR 2015, arXiv:1409.4842",
    head="fc",
    least_size=79,
    auxiliary_weight=0.3,  # section 5
)
CARD = PAPER_CARD.model_copy(
    update={
        "name": "googlenet",
        "least_size": 15,
        # The weights are TensorFlow's, which had images in -1..1; torchvision shifts them within the network.
        "preprocessing": Preprocessing(mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5)),
        # Published with the weights, but never trained.
        "dropped_weights": ("aux1.", "aux2."),
    }
)


class Form(NamedTuple):
    """In what the two forms differ."""

    convolution: Convolution
    normalization: Callable[[], nn.Module]
    large_kernel: int
    last_pooling: int
    auxiliary_pooling: Callable[[], nn.Module]
    dropout: float


def _as_the_papers_pooling() -> nn.Module:
    """5x5 of stride 3 makes 4x4 of the 14x14 places of an image of 224 pixels; other sizes are brought to 4x4."""
    return nn.Sequential(nn.AvgPool2d(kernel_size=5, stride=3), nn.AdaptiveAvgPool2d(4))


PAPER = Form(ConvReLU, LocalResponseNorm, 5, 3, _as_the_papers_pooling, 0.4)
TORCHVISION = Form(ConvNorm, nn.Identity, 3, 2, lambda: nn.AdaptiveAvgPool2d(4), 0.2)


class GoogLeNet(nn.Module):
    """Class scores (batch, classes) of images (batch, 3, height, width), of at least 15 pixels.

    In training mode, and with its auxiliary heads, it gives ScoresWithAuxiliary, and the paper's form then takes
    images of at least 79 pixels.
    """

    def __init__(self, form: Form, classes: int, *, auxiliary_heads: bool) -> None:
        super().__init__()

        def inception(in_channels: int, *widths: int) -> Inception:
            return Inception(in_channels, Widths(*widths), form.large_kernel, form.convolution)

        self.conv1 = form.convolution(3, 64, kernel_size=7, stride=2, padding=3)
        self.maxpool1 = _pooling(3)
        self.norm1 = form.normalization()
        self.conv2 = form.convolution(64, 64, kernel_size=1)
        self.conv3 = form.convolution(64, 192, kernel_size=3, padding=1)
        self.norm2 = form.normalization()
        self.maxpool2 = _pooling(3)
        self.inception3a = inception(192, 64, 96, 128, 16, 32, 32)
        self.inception3b = inception(256, 128, 128, 192, 32, 96, 64)
        self.maxpool3 = _pooling(3)
        self.inception4a = inception(480, 192, 96, 208, 16, 48, 64)
        self.inception4b = inception(512, 160, 112, 224, 24, 64, 64)
        self.inception4c = inception(512, 128, 128, 256, 24, 64, 64)
        self.inception4d = inception(512, 112, 144, 288, 32, 64, 64)
        self.inception4e = inception(528, 256, 160, 320, 32, 128, 128)
        self.maxpool4 = _pooling(form.last_pooling)
        self.inception5a = inception(832, 256, 160, 320, 32, 128, 128)
        self.inception5b = inception(832, 384, 192, 384, 48, 128, 128)
        self.aux1 = _auxiliary_head(512, form, classes) if auxiliary_heads else None
        self.aux2 = _auxiliary_head(528, form, classes) if auxiliary_heads else None
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.dropout = nn.Dropout(form.dropout)
        self.fc = nn.Linear(1024, classes)
        he_normal(self, "fan_in")
        zero_biases(self)

    def forward(self, x: Tensor) -> Tensor | ScoresWithAuxiliary:
        """Class scores before the softmax."""
        x = self.norm1(self.maxpool1(self.conv1(x)))
        x = self.maxpool2(self.norm2(self.conv3(self.conv2(x))))
        x = self.maxpool3(self.inception3b(self.inception3a(x)))
        first = x = self.inception4a(x)
        second = x = self.inception4d(self.inception4c(self.inception4b(x)))
        x = self.maxpool4(self.inception4e(x))
        x = self.avgpool(self.inception5b(self.inception5a(x)))
        scores: Tensor = self.fc(self.dropout(torch.flatten(x, 1)))
        if self.aux1 is None or self.aux2 is None or not self.training:
            return scores
        return ScoresWithAuxiliary(scores, (self.aux1(first), self.aux2(second)))


def _auxiliary_head(in_channels: int, form: Form, classes: int) -> AuxiliaryHead:
    return AuxiliaryHead(in_channels, classes, form.auxiliary_pooling(), form.convolution)


def _pooling(size: int) -> nn.MaxPool2d:
    return nn.MaxPool2d(size, stride=2, ceil_mode=True)


def googlenet(classes: int = 1000, *, auxiliary_heads: bool = False) -> GoogLeNet:
    """GoogLeNet, arXiv:1409.4842, in the form that torchvision's weights fit, which leave its heads untrained."""
    return GoogLeNet(TORCHVISION, classes, auxiliary_heads=auxiliary_heads)


def googlenet_paper(classes: int = 1000) -> GoogLeNet:
    """GoogLeNet, arXiv:1409.4842, table 1 and section 5."""
    return GoogLeNet(PAPER, classes, auxiliary_heads=True)


NETWORKS = MappingProxyType(
    {**family(CARD, googlenet=googlenet), **family(PAPER_CARD, googlenet_paper=googlenet_paper)}
)
