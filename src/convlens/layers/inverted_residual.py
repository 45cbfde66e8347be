"""Inverted residual blocks: narrow between blocks, wide within them.

Sandler, Howard, Zhu, Zhmoginov, Chen: MobileNetV2: Inverted Residuals and Linear Bottlenecks, CVPR 2018,
arXiv:1801.04381. Names and shapes are torchvision's.
"""

from torch import Tensor, nn


class ConvNormReLU6(nn.Sequential):
    """min(max(bn(conv(x)), 0), 6); the convolution keeps height and width, or divides them by its stride.

    The bound of 6 keeps the precision of numbers with few bits (section 4).
    """

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: int, *, stride: int = 1, groups: int = 1
    ) -> None:
        super().__init__(
            nn.Conv2d(
                in_channels,
                out_channels,
                kernel_size,
                stride,
                padding=kernel_size // 2,
                groups=groups,
                bias=False,
            ),
            nn.BatchNorm2d(out_channels),
            nn.ReLU6(inplace=True),
        )


class InvertedResidual(nn.Module):
    """Widen by 1x1, one 3x3 filter for each channel, narrow by 1x1 without rectifier (figure 4, d; table 1).

    x is added where the result has its shape. Shapes: x is (batch, in_channels, height, width), the result (batch,
    out_channels, height / stride, width / stride) with odd sizes rounded up. `expansion` is the paper's t.
    """

    def __init__(self, in_channels: int, out_channels: int, *, stride: int, expansion: int) -> None:
        super().__init__()
        width = in_channels * expansion
        widen = [ConvNormReLU6(in_channels, width, 1)] if expansion > 1 else []
        self.adds_input = stride == 1 and in_channels == out_channels
        self.conv = nn.Sequential(
            *widen,
            ConvNormReLU6(width, width, 3, stride=stride, groups=width),
            nn.Conv2d(width, out_channels, kernel_size=1, bias=False),
            nn.BatchNorm2d(out_channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        """F(x), or x + F(x)."""
        y: Tensor = self.conv(x)
        return x + y if self.adds_input else y
