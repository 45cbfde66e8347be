"""Residual blocks: y = relu(F(x) + shortcut(x)).

Shapes: x is (batch, in_channels, height, width), y is (batch, out_channels, height / stride, width / stride),
with odd sizes rounded up. `dilations` say how far apart the places of the first 3x3 convolution stand, and those of the
second.

He, Zhang, Ren, Sun: Deep Residual Learning for Image Recognition, CVPR 2016, arXiv:1512.03385.
"""

from torch import Tensor, nn


def shortcut(
    in_channels: int, out_channels: int, stride: int, *, average_pooling: bool = False
) -> nn.Sequential | None:
    """The projection that makes x as large as F(x), or None where the identity does (section 3.3, option B).

    A strided 1x1 convolution looks at one pixel in `stride` x `stride`. With `average_pooling` all of them
    are averaged before it, the "ResNet-D" form (He et al.: Bag of Tricks, CVPR 2019, arXiv:1812.01187,
    section 4.1).
    """
    if stride == 1 and in_channels == out_channels:
        return None
    pooling: list[nn.Module] = []
    if average_pooling and stride > 1:
        # ceil_mode: F(x) rounds an odd size up. Pixels that are not there do not count in the mean.
        pooling = [nn.AvgPool2d(stride, ceil_mode=True, count_include_pad=False)]
        stride = 1
    convolution = nn.Conv2d(in_channels, out_channels, kernel_size=1, stride=stride, bias=False)
    return nn.Sequential(*pooling, convolution, nn.BatchNorm2d(out_channels))


class BasicBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut, for ResNet-18 and 34 (figure 5, left); gives `width` channels."""

    expansion = 1

    def __init__(self, in_channels: int, width: int, stride: int = 1, dilations: tuple[int, int] = (1, 1)) -> None:
        super().__init__()
        self.conv1 = _conv3x3(in_channels, width, stride, dilations[0])
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = _conv3x3(width, width, 1, dilations[1])
        self.bn2 = nn.BatchNorm2d(width)
        self.downsample = shortcut(in_channels, width, stride)

    def forward(self, x: Tensor) -> Tensor:
        """relu(F(x) + shortcut(x))."""
        y: Tensor = self.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        y += x if self.downsample is None else self.downsample(x)
        out: Tensor = self.relu(y)
        return out


class Bottleneck(nn.Module):
    """Convolutions 1x1, 3x3, 1x1 and a shortcut, for ResNet-50 and deeper (figure 5, right).

    It gives 4 x `width` channels.

    The stride is on the 3x3, as in torchvision ("v1.5"); in the paper it is on the first 1x1.
    """

    expansion = 4
    stride_first = False

    def __init__(self, in_channels: int, width: int, stride: int = 1, dilations: tuple[int, int] = (1, 1)) -> None:
        super().__init__()
        out_channels = width * self.expansion
        first, second = (stride, 1) if self.stride_first else (1, stride)
        self.conv1 = nn.Conv2d(in_channels, width, kernel_size=1, stride=first, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = _conv3x3(width, width, second, dilations[0])
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, out_channels, kernel_size=1, bias=False)
        self.bn3 = nn.BatchNorm2d(out_channels)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = shortcut(in_channels, out_channels, stride)

    def forward(self, x: Tensor) -> Tensor:
        """relu(F(x) + shortcut(x))."""
        y: Tensor = self.relu(self.bn1(self.conv1(x)))
        y = self.relu(self.bn2(self.conv2(y)))
        y = self.bn3(self.conv3(y))
        y += x if self.downsample is None else self.downsample(x)
        out: Tensor = self.relu(y)
        return out


class PaperBottleneck(Bottleneck):
    """The bottleneck with its stride on the first 1x1, as the paper has it ("v1"): cheaper, and a little worse."""

    stride_first = True


def _conv3x3(in_channels: int, out_channels: int, stride: int, dilation: int) -> nn.Conv2d:
    return nn.Conv2d(in_channels, out_channels, 3, stride, padding=dilation, dilation=dilation, bias=False)
