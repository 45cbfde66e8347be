"""Dense blocks: every layer sees the outputs of all layers before it, joined along the channels.

Huang, Liu, van der Maaten, Weinberger: Densely Connected Convolutional Networks, CVPR 2017, arXiv:1608.06993.
"""

from collections import OrderedDict

import torch
from torch import Tensor, nn


class DenseLayer(nn.Module):
    """x with `growth_rate` new channels behind its own.

    The new ones are BN-ReLU-Conv(1x1)-BN-ReLU-Conv(3x3) of x (section 3, "DenseNet-B"). Shapes: x is (batch,
    in_channels, height, width), the result (batch, in_channels + growth_rate, height, width).
    """

    def __init__(self, in_channels: int, growth_rate: int, bottleneck: int = 4) -> None:
        super().__init__()
        width = bottleneck * growth_rate
        self.norm1 = nn.BatchNorm2d(in_channels)
        self.relu1 = nn.ReLU(inplace=True)
        self.conv1 = nn.Conv2d(in_channels, width, kernel_size=1, bias=False)
        self.norm2 = nn.BatchNorm2d(width)
        self.relu2 = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(width, growth_rate, kernel_size=3, padding=1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """The channels of x, then the new ones."""
        y = self.conv1(self.relu1(self.norm1(x)))
        new = self.conv2(self.relu2(self.norm2(y)))
        return torch.cat((x, new), dim=1)


class PlainDenseLayer(nn.Module):
    """The dense layer without a bottleneck: the new channels are BN-ReLU-Conv(3x3) of x (section 3).

    Shapes are those of DenseLayer.
    """

    def __init__(self, in_channels: int, growth_rate: int) -> None:
        super().__init__()
        self.norm1 = nn.BatchNorm2d(in_channels)
        self.relu1 = nn.ReLU(inplace=True)
        self.conv1 = nn.Conv2d(in_channels, growth_rate, kernel_size=3, padding=1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """The channels of x, then the new ones."""
        return torch.cat((x, self.conv1(self.relu1(self.norm1(x)))), dim=1)


class DenseBlock(nn.Sequential):
    """`depth` dense layers, named denselayer1, denselayer2, ...; adds depth x growth_rate channels.

    The 1x1 convolutions give `bottleneck` x growth_rate channels; None leaves them out.
    """

    def __init__(self, in_channels: int, growth_rate: int, depth: int, bottleneck: int | None = 4) -> None:
        super().__init__()
        for i in range(depth):
            channels = in_channels + i * growth_rate
            layer: nn.Module
            if bottleneck is None:
                layer = PlainDenseLayer(channels, growth_rate)
            else:
                layer = DenseLayer(channels, growth_rate, bottleneck)
            self.add_module(f"denselayer{i + 1}", layer)


class Transition(nn.Sequential):
    """Between two dense blocks: `out_channels` channels through a 1x1 convolution, half the height and width.

    The paper's compression θ is out_channels / in_channels, one half in its ImageNet networks ("DenseNet-C").
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        layers: dict[str, nn.Module] = {
            "norm": nn.BatchNorm2d(in_channels),
            "relu": nn.ReLU(inplace=True),
            "conv": nn.Conv2d(in_channels, out_channels, kernel_size=1, bias=False),
            "pool": nn.AvgPool2d(kernel_size=2),
        }
        super().__init__(OrderedDict(layers))
