"""VGG: 3x3 convolutions all the way, in five stages that each end in a pooling.

Simonyan, Zisserman: Very Deep Convolutional Networks for Large-Scale Image Recognition, ICLR 2015,
arXiv:1409.1556. Batch normalization came later (Ioffe, Szegedy, ICML 2015, arXiv:1502.03167). Names and
shapes are torchvision's.
"""

from collections.abc import Mapping

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

WIDTHS = (64, 128, 256, 512, 512)
_A = (1, 1, 2, 2, 2)
_B = (2, 2, 2, 2, 2)
D = (2, 2, 3, 3, 3)
_E = (2, 2, 4, 4, 4)
"""Convolutions in each stage; the letters are those of the paper's table 1."""

_KERNELS = {"classifier.0": (7, 7), "classifier.3": (1, 1), "classifier.6": (1, 1)}
"""The convolutions that take the place of the linear layers, which read maps of 7 x 7 places."""


class VGG(nn.Module):
    """Class scores (batch, classes) of images (batch, 3, height, width), of at least 32 pixels."""

    def __init__(self, depths: tuple[int, ...], classes: int, *, batch_norm: bool = False) -> None:
        super().__init__()
        self.features = stages(depths, batch_norm=batch_norm)
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


def stages(
    depths: tuple[int, ...],
    *,
    widths: tuple[int, ...] = WIDTHS,
    batch_norm: bool = False,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> nn.Sequential:
    """The convolutions and poolings: maps (batch, 512, height / 32, width / 32) of images (batch, 3, height, width).

    With `ceil_mode` each pooling rounds odd sizes up, so that no pixel is left out; with `return_indices` it also gives
    where the maxima were.
    """
    layers: list[nn.Module] = []
    in_channels = 3
    for depth, width in zip(depths, widths, strict=True):
        for _ in range(depth):
            layers.append(nn.Conv2d(in_channels, width, kernel_size=3, padding=1))
            if batch_norm:
                layers.append(nn.BatchNorm2d(width))
            layers.append(nn.ReLU(inplace=True))
            in_channels = width
        layers.append(nn.MaxPool2d(kernel_size=2, ceil_mode=ceil_mode, return_indices=return_indices))
    return nn.Sequential(*layers)


def state_from_vgg16(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The state of a `vgg16` for a network with convolutions in place of its linear layers: the same numbers.

    The weights of the linear layers, (out, channels x 7 x 7) and (out, in), become kernels (out, channels, 7, 7) and
    (out, in, 1, 1). It is the whole state of a `dilated_vgg16` with as many classes, and that of an `fcn32s` less its
    fixed upsampling. For other classes, load all of it and replace the head afterwards.
    """
    return {name: tensor.reshape(_kernel_shape(name, tensor)) for name, tensor in state.items()}


def _kernel_shape(name: str, tensor: Tensor) -> tuple[int, ...]:
    layer, _, kind = name.rpartition(".")
    if layer not in _KERNELS or kind != "weight":
        return tuple(tensor.shape)
    height, width = _KERNELS[layer]
    return (tensor.shape[0], tensor.shape[1] // (height * width), height, width)


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
    return VGG(D, classes)


def vgg16_bn(classes: int = 1000) -> VGG:
    """VGG with 16 layers, configuration D of arXiv:1409.1556, and batch normalization."""
    return VGG(D, classes, batch_norm=True)


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
