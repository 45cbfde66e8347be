"""ResNet for the images of CIFAR, 32 x 32 pixels, and the networks that it is compared with.

Three stages of 16, 32 and 64 channels, at full, half and quarter resolution; the depth counts the convolutions and the
last layer. What varies is the shortcut (three options, or none: the plain networks), how many convolutions it spans,
and whether a block activates behind its convolutions or before them.

He, Zhang, Ren, Sun: Deep Residual Learning for Image Recognition, CVPR 2016, arXiv:1512.03385, section 4.2. Names and
preprocessing are those of the weights in the repository akamaster/pytorch_resnet_cifar10, which fit resnet20 to 110.
"""

from collections.abc import Mapping
from functools import partial
from types import MappingProxyType
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from convlens.core.errors import UsageError
from convlens.core.preprocessing import Preprocessing
from convlens.layers.residual_span import Option, PreActivationBlock, ResidualBlock
from convlens.zoo.card import NetworkCard
from convlens.zoo.entry import Entry, family
from convlens.zoo.initialization import he_normal

CARD = NetworkCard(
    name="resnet_cifar",
    year=2015,
    paper="He, Zhang, Ren, Sun: Deep Residual Learning for Image Recognition, CVPR 2016, arXiv:1512.03385",
    head="linear",
    classes=10,
    data="cifar10",
    input_shape=(3, 32, 32),
    preprocessing=Preprocessing(size=32, resize=32),
)
SPAN_CARD = CARD.model_copy(
    update={"year": 2016, "paper": "Li, Jiao, Han, Weissman: Demystifying ResNet, 2016, arXiv:1611.01186"}
)
PRE_ACTIVATION_CARD = CARD.model_copy(
    update={
        "year": 2016,
        "paper": "He, Zhang, Ren, Sun: Identity Mappings in Deep Residual Networks, ECCV 2016, arXiv:1603.05027",
    }
)

DEPTHS = (20, 32, 44, 56, 110)
SPAN_DEPTHS = (20, 56, 110)
"""Those whose stages divide into blocks of 1, 2 and 3 convolutions alike."""

_WIDTH = 16
_STAGES = 3
_EXPANSION = 4
"""The last convolution of a bottleneck gives 4 channels for each of its width."""


class _Form(NamedTuple):
    """What all blocks of a network have in common."""

    kernels: tuple[int, ...]
    expansion: int
    shortcut: Option | None
    pre_activation: bool


class CifarResNet(nn.Module):
    """Class scores (batch, classes) of images (batch, 3, height, width), of any size.

    `shortcut` is the option of section 3.3, None for a plain network; `span` how many 3x3 convolutions a shortcut
    passes by, unless blocks are bottlenecks of 1x1, 3x3 and 1x1. With `pre_activation`, blocks normalize and activate
    before each convolution, and the network once more at its end.

    Raises UsageError when `depth` - 2 is not 3 stages of whole blocks.
    """

    def __init__(
        self,
        classes: int,
        *,
        depth: int,
        shortcut: Option | None = "A",
        span: int = 2,
        bottleneck: bool = False,
        pre_activation: bool = False,
    ) -> None:
        super().__init__()
        form = _Form(
            (1, 3, 1) if bottleneck else (3,) * span, _EXPANSION if bottleneck else 1, shortcut, pre_activation
        )
        num_blocks = _blocks_per_stage(depth, len(form.kernels))
        self.conv1 = nn.Conv2d(3, _WIDTH, kernel_size=3, padding=1, bias=False)
        self.bn1 = None if pre_activation else nn.BatchNorm2d(_WIDTH)
        self.layer1 = _stage(form, _WIDTH, _WIDTH, num_blocks, stride=1)
        self.layer2 = _stage(form, _WIDTH * form.expansion, 2 * _WIDTH, num_blocks, stride=2)
        self.layer3 = _stage(form, 2 * _WIDTH * form.expansion, 4 * _WIDTH, num_blocks, stride=2)
        channels = 4 * _WIDTH * form.expansion
        self.bn_last = nn.BatchNorm2d(channels) if pre_activation else None
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.linear = nn.Linear(channels, classes)
        he_normal(self, "fan_out")

    def forward(self, x: Tensor) -> Tensor:
        """Class scores before the softmax."""
        x = self.conv1(x)
        if self.bn1 is not None:
            x = F.relu(self.bn1(x), inplace=True)
        x = self.layer3(self.layer2(self.layer1(x)))
        if self.bn_last is not None:
            x = F.relu(self.bn_last(x), inplace=True)
        scores: Tensor = self.linear(torch.flatten(self.avgpool(x), 1))
        return scores


def _blocks_per_stage(depth: int, span: int) -> int:
    num_blocks, rest = divmod(depth - 2, _STAGES * span)
    if rest or num_blocks < 1:
        raise UsageError(
            f"no network of depth {depth} has blocks of {span} convolutions: accepted are depths that are 2 more than "
            f"a multiple of {_STAGES * span}."
        )
    return num_blocks


def _stage(form: _Form, in_channels: int, width: int, num_blocks: int, stride: int) -> nn.Sequential:
    out_channels = width * form.expansion
    sizes = [(in_channels, width, out_channels, stride), *[(out_channels, width, out_channels, 1)] * (num_blocks - 1)]
    if form.pre_activation:
        return nn.Sequential(
            *(PreActivationBlock(*size, form.kernels, form.shortcut, first=i == 0) for i, size in enumerate(sizes))
        )
    return nn.Sequential(*(ResidualBlock(*size, form.kernels, form.shortcut) for size in sizes))


NETWORKS: Mapping[str, Entry] = MappingProxyType(
    {
        **family(CARD, **{f"resnet{depth}": partial(CifarResNet, depth=depth) for depth in DEPTHS}),
        **family(CARD, **{f"resnet{depth}_b": partial(CifarResNet, depth=depth, shortcut="B") for depth in DEPTHS}),
        **family(CARD, **{f"resnet{depth}_c": partial(CifarResNet, depth=depth, shortcut="C") for depth in DEPTHS}),
        **family(CARD, **{f"plain{depth}": partial(CifarResNet, depth=depth, shortcut=None) for depth in DEPTHS}),
        **family(
            SPAN_CARD, **{f"resnet{depth}_span1": partial(CifarResNet, depth=depth, span=1) for depth in SPAN_DEPTHS}
        ),
        **family(
            SPAN_CARD, **{f"resnet{depth}_span3": partial(CifarResNet, depth=depth, span=3) for depth in SPAN_DEPTHS}
        ),
        **family(
            PRE_ACTIVATION_CARD,
            **{f"preact_resnet{d}": partial(CifarResNet, depth=d, pre_activation=True) for d in DEPTHS},
        ),
        **family(
            PRE_ACTIVATION_CARD,
            preact_resnet164=partial(CifarResNet, depth=164, shortcut="B", bottleneck=True, pre_activation=True),
        ),
    }
)
