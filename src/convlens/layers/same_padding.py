"""Convolution with TensorFlow's "same" padding: as many output places as the input has strides.

Along an axis of n places, a kernel that reaches over r places with stride s gives ceil(n / s) outputs. It needs
p = max((ceil(n / s) - 1) s + r - n, 0) places of zeros, of which floor(p / 2) stand before the first place and the rest
behind the last one. For even n, r = 3 and s = 2 that is none before and one behind, where torch's padding of 1 has one
on each side: outputs see other pixels, and weights that were trained with the one are wrong with the other.
"""

import torch.nn.functional as F
from torch import Tensor, nn


class SameConv2d(nn.Conv2d):
    """A convolution without dilation whose output has ceil(height / stride) x ceil(width / stride) places.

    Shapes: x is (batch, in_channels, height, width), the result (batch, out_channels, ...).
    """

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: int, *, stride: int = 1, groups: int = 1
    ) -> None:
        super().__init__(in_channels, out_channels, kernel_size, stride, groups=groups, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """The convolution of x with zeros around it."""
        (top, bottom), (left, right) = (
            same_padding(size, kernel, stride)
            for size, kernel, stride in zip(x.shape[-2:], self.kernel_size, self.stride, strict=True)
        )
        if (top, left) == (bottom, right):  # the kernel pads by itself, without a copy of x
            return F.conv2d(x, self.weight, None, self.stride, (top, left), groups=self.groups)
        x = F.pad(x, (left, right, top, bottom))
        return F.conv2d(x, self.weight, None, self.stride, groups=self.groups)


def same_padding(size: int, reach: int, stride: int) -> tuple[int, int]:
    """Places of zeros before the first and behind the last of `size` places; the odd one stands behind."""
    outputs = -(-size // stride)
    total = max((outputs - 1) * stride + reach - size, 0)
    return total // 2, total - total // 2
