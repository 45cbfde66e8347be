"""SENet: residual networks of bottlenecks with squeeze-and-excitation.

Hu, Shen, Sun: Squeeze-and-Excitation Networks, CVPR 2018, arXiv:1709.01507. SE-ResNet-50 (table 10) gates the residuals
of ResNet-50; SENet-154 (appendix, "Details of SENet-154") those of a grouped ResNet with 152 layers. Names and shapes
are those of the weights that the repository Cadene/pretrained-models.pytorch converted from the authors'.
"""

from collections import OrderedDict
from typing import NamedTuple

import torch
from torch import Tensor, nn

from convlens.layers.squeeze_excite import SqueezeExcite
from convlens.zoo.card import NetworkCard
from convlens.zoo.entry import family
from convlens.zoo.initialization import he_normal

CARD = NetworkCard(
    name="senet",
    year=2017,
    paper="Hu, Shen, Sun: Squeeze-and-Excitation Networks, CVPR 2018, arXiv:1709.01507",
    head="last_linear",
    least_size=3,
)

_EXPANSION = 4
"""A bottleneck gives 4 channels for each of its width, as in ResNet."""


class Form(NamedTuple):
    """How a bottleneck is built; `first` and `second` are the channels of its convolutions for each of its width."""

    first: int
    second: int
    groups: int
    stride_first: bool
    """Whether the stride is on the 1x1 convolution or on the 3x3."""


_SE_RESNET = Form(first=1, second=1, groups=1, stride_first=True)
_SENET = Form(first=2, second=4, groups=64, stride_first=False)
"""Twice as wide as a ResNeXt of 64 groups, with the first convolution halved again."""


class GatedBottleneck(nn.Module):
    """Convolutions 1x1, 3x3, 1x1, a squeeze-and-excitation and a shortcut (figure 3).

    Shapes: x is (batch, in_channels, height, width), the result (batch, 4 x width, height / stride, ...), odd sizes
    rounded up. `shortcut_kernel` is that of the projection, where one is needed.
    """

    def __init__(self, in_channels: int, width: int, stride: int, form: Form, shortcut_kernel: int) -> None:
        super().__init__()
        first, second, out = width * form.first, width * form.second, width * _EXPANSION
        strides = (stride, 1) if form.stride_first else (1, stride)
        self.conv1 = nn.Conv2d(in_channels, first, kernel_size=1, stride=strides[0], bias=False)
        self.bn1 = nn.BatchNorm2d(first)
        self.conv2 = nn.Conv2d(first, second, 3, stride=strides[1], padding=1, groups=form.groups, bias=False)
        self.bn2 = nn.BatchNorm2d(second)
        self.conv3 = nn.Conv2d(second, out, kernel_size=1, bias=False)
        self.bn3 = nn.BatchNorm2d(out)
        self.relu = nn.ReLU(inplace=True)
        self.se_module = SqueezeExcite(out, reduction=16)
        self.downsample = _projection(in_channels, out, stride, shortcut_kernel)

    def forward(self, x: Tensor) -> Tensor:
        """relu(gated F(x) + shortcut(x))."""
        y: Tensor = self.relu(self.bn1(self.conv1(x)))
        y = self.relu(self.bn2(self.conv2(y)))
        y = self.se_module(self.bn3(self.conv3(y)))
        y += x if self.downsample is None else self.downsample(x)
        out: Tensor = self.relu(y)
        return out


def _projection(in_channels: int, out_channels: int, stride: int, kernel: int) -> nn.Sequential | None:
    if stride == 1 and in_channels == out_channels:
        return None
    convolution = nn.Conv2d(in_channels, out_channels, kernel, stride=stride, padding=kernel // 2, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(out_channels))


class SENet(nn.Module):
    """Class scores (batch, classes) of images (batch, 3, height, width), of at least 3 pixels.

    `depths` are the numbers of blocks in the stages. With `wide_stem`, three 3x3 convolutions replace the first
    7x7, and the shortcuts between stages look at 3x3 pixels instead of one in four.
    """

    def __init__(
        self, form: Form, depths: tuple[int, int, int, int], classes: int, *, wide_stem: bool, dropout: float
    ) -> None:
        super().__init__()
        kernel = 3 if wide_stem else 1
        self.layer0 = _wide_stem() if wide_stem else _stem()
        self.layer1 = _stage(form, 128 if wide_stem else 64, 64, depths[0], stride=1, shortcut_kernel=1)
        self.layer2 = _stage(form, 64 * _EXPANSION, 128, depths[1], stride=2, shortcut_kernel=kernel)
        self.layer3 = _stage(form, 128 * _EXPANSION, 256, depths[2], stride=2, shortcut_kernel=kernel)
        self.layer4 = _stage(form, 256 * _EXPANSION, 512, depths[3], stride=2, shortcut_kernel=kernel)
        self.avg_pool = nn.AdaptiveAvgPool2d(1)
        self.dropout = nn.Dropout(dropout)
        self.last_linear = nn.Linear(512 * _EXPANSION, classes)
        he_normal(self, "fan_out")

    def forward(self, x: Tensor) -> Tensor:
        """Class scores before the softmax."""
        x = self.layer4(self.layer3(self.layer2(self.layer1(self.layer0(x)))))
        scores: Tensor = self.last_linear(self.dropout(torch.flatten(self.avg_pool(x), 1)))
        return scores


def _stem() -> nn.Sequential:
    layers: dict[str, nn.Module] = {
        "conv1": nn.Conv2d(3, 64, kernel_size=7, stride=2, padding=3, bias=False),
        "bn1": nn.BatchNorm2d(64),
        "relu1": nn.ReLU(inplace=True),
        "pool": nn.MaxPool2d(kernel_size=3, stride=2, ceil_mode=True),
    }
    return nn.Sequential(OrderedDict(layers))


def _wide_stem() -> nn.Sequential:
    layers: dict[str, nn.Module] = {}
    for i, (before, after, stride) in enumerate(((3, 64, 2), (64, 64, 1), (64, 128, 1)), start=1):
        layers[f"conv{i}"] = nn.Conv2d(before, after, kernel_size=3, stride=stride, padding=1, bias=False)
        layers[f"bn{i}"] = nn.BatchNorm2d(after)
        layers[f"relu{i}"] = nn.ReLU(inplace=True)
    layers["pool"] = nn.MaxPool2d(kernel_size=3, stride=2, ceil_mode=True)
    return nn.Sequential(OrderedDict(layers))


def _stage(form: Form, in_channels: int, width: int, depth: int, stride: int, shortcut_kernel: int) -> nn.Sequential:
    first = GatedBottleneck(in_channels, width, stride, form, shortcut_kernel)
    rest = (GatedBottleneck(width * _EXPANSION, width, 1, form, shortcut_kernel) for _ in range(depth - 1))
    return nn.Sequential(first, *rest)


def se_resnet50(classes: int = 1000) -> SENet:
    """ResNet-50 with gates and the stride on its 1x1 convolutions, arXiv:1709.01507, tables 1 and 2."""
    return SENet(_SE_RESNET, (3, 4, 6, 3), classes, wide_stem=False, dropout=0.0)


def senet154(classes: int = 1000) -> SENet:
    """SENet-154, arXiv:1709.01507, appendix."""
    return SENet(_SENET, (3, 8, 36, 3), classes, wide_stem=True, dropout=0.2)


NETWORKS = family(CARD, se_resnet50=se_resnet50, senet154=senet154)
