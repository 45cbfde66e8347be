"""DenseNet for the images of CIFAR, 32 x 32 pixels: three dense blocks at full, half and quarter resolution.

Huang, Liu, van der Maaten, Weinberger: Densely Connected Convolutional Networks, CVPR 2017, arXiv:1608.06993, section 3
("Implementation Details"). The dropout of 0.2 that the paper uses where it does not augment is left out. Names are
those of the ImageNet networks; mean and standard deviation are those of CIFAR-10's training set.
"""

from collections import OrderedDict

import torch
from torch import Tensor, nn

from convlens.core.preprocessing import Preprocessing
from convlens.layers.dense import DenseBlock, Transition
from convlens.zoo.card import NetworkCard
from convlens.zoo.entry import family
from convlens.zoo.initialization import he_normal

CARD = NetworkCard(
    name="densenet_cifar",
    year=2016,
    paper="Huang, Liu, van der Maaten, Weinberger: Densely Connected Convolutional Networks, CVPR 2017, "
    "arXiv:1608.06993",
    head="classifier",
    classes=10,
    data="cifar10",
    input_shape=(3, 32, 32),
    preprocessing=Preprocessing(size=32, resize=32, mean=(0.4914, 0.4822, 0.4465), std=(0.2470, 0.2435, 0.2616)),
    least_size=4,
)

_BLOCKS = 3
_STEM_AND_TRANSITIONS = 4
"""The first convolution, two transitions and the last layer: what a depth L counts beside the dense blocks."""


class CifarDenseNet(nn.Module):
    """Class scores (batch, classes) of images (batch, 3, height, width), of at least 4 pixels.

    With a bottleneck (DenseNet-BC) the transitions keep half of the channels and the first convolution gives twice the
    growth rate; without one, all are kept and it gives 16.
    """

    def __init__(self, depth: int, growth_rate: int, classes: int, *, bottleneck: bool = False) -> None:
        super().__init__()
        self.features, channels = _features(depth, growth_rate, bottleneck)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Linear(channels, classes)
        he_normal(self, "fan_in")
        nn.init.zeros_(self.classifier.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Class scores before the softmax."""
        scores: Tensor = self.classifier(torch.flatten(self.pool(self.features(x)), 1))
        return scores


def _features(depth: int, growth_rate: int, bottleneck: bool) -> tuple[nn.Sequential, int]:
    """The convolutional part, and how many channels it gives."""
    num_layers = (depth - _STEM_AND_TRANSITIONS) // (_BLOCKS * (2 if bottleneck else 1))
    channels = 2 * growth_rate if bottleneck else 16
    layers: dict[str, nn.Module] = {"conv0": nn.Conv2d(3, channels, kernel_size=3, padding=1, bias=False)}
    for i in range(1, _BLOCKS + 1):
        layers[f"denseblock{i}"] = DenseBlock(channels, growth_rate, num_layers, 4 if bottleneck else None)
        channels += num_layers * growth_rate
        if i < _BLOCKS:
            kept = channels // 2 if bottleneck else channels
            layers[f"transition{i}"] = Transition(channels, kept)
            channels = kept
    layers["norm"] = nn.BatchNorm2d(channels)
    layers["relu"] = nn.ReLU(inplace=True)
    return nn.Sequential(OrderedDict(layers)), channels


def densenet40_k12(classes: int = 10) -> CifarDenseNet:
    """DenseNet with 40 layers and growth rate 12, arXiv:1608.06993, table 2."""
    return CifarDenseNet(40, 12, classes)


def densenet_bc100_k12(classes: int = 10) -> CifarDenseNet:
    """DenseNet-BC with 100 layers and growth rate 12, arXiv:1608.06993, table 2."""
    return CifarDenseNet(100, 12, classes, bottleneck=True)


NETWORKS = family(CARD, densenet40_k12=densenet40_k12, densenet_bc100_k12=densenet_bc100_k12)
