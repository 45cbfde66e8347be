"""Residual blocks whose shortcut spans any number of convolutions, with the shortcut's options, or without one.

Legend: F is the chain of convolutions that the shortcut passes by, one for each of `kernels`; the first has the stride,
all but the last give `width` channels. Shapes: x is (batch, in_channels, height, width), the result (batch,
out_channels, height / stride, width / stride), with odd sizes rounded up.

He, Zhang, Ren, Sun: Deep Residual Learning for Image Recognition, CVPR 2016, arXiv:1512.03385; Identity Mappings in
Deep Residual Networks, ECCV 2016, arXiv:1603.05027. Names are those of the CIFAR networks in the repository
akamaster/pytorch_resnet_cifar10.
"""

from collections.abc import Iterator
from typing import Literal

import torch.nn.functional as F
from torch import Tensor, nn

Option = Literal["A", "B", "C"]
"""How a shortcut gives the size of F(x) (arXiv:1512.03385, sections 3.3 and 4.1): A with zeros for new channels, B with
a projection where the sizes differ, C with a projection everywhere."""


class PaddedIdentity(nn.Module):
    """Option A: one in `stride` x `stride` pixels of x, between channels of zeros. It has no parameters."""

    def __init__(self, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        new = out_channels - in_channels
        self.stride = stride
        self.margin = (new // 2, new - new // 2)

    def forward(self, x: Tensor) -> Tensor:
        """The pixels that remain, and the new channels around them."""
        return F.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, *self.margin))


class ResidualBlock(nn.Module):
    """relu(F(x) + shortcut(x)), with batch normalization behind each convolution; without an option, relu(F(x))."""

    def __init__(
        self,
        in_channels: int,
        width: int,
        out_channels: int,
        stride: int,
        kernels: tuple[int, ...],
        option: Option | None,
    ) -> None:
        super().__init__()
        self.span = len(kernels)
        for i, convolution in _convolutions(in_channels, width, out_channels, stride, kernels):
            self.add_module(f"conv{i}", convolution)
            self.add_module(f"bn{i}", nn.BatchNorm2d(convolution.out_channels))
        self.shortcut = _shortcut(in_channels, out_channels, stride, option, batch_norm=True)

    def forward(self, x: Tensor) -> Tensor:
        """relu(F(x) + shortcut(x))."""
        y = x
        for i in range(1, self.span + 1):
            y = self.get_submodule(f"bn{i}")(self.get_submodule(f"conv{i}")(y))
            if i < self.span:
                y = F.relu(y, inplace=True)
        if self.shortcut is not None:
            y += self.shortcut(x)
        return F.relu(y, inplace=True)


class PreActivationBlock(nn.Module):
    """F(x) + shortcut(x), with batch normalization and ReLU before each convolution (arXiv:1603.05027, figure 4e).

    The `first` block of a stage activates before the paths part, so that its shortcut too starts from activated
    values (there, appendix); the others leave x untouched on the way.
    """

    def __init__(
        self,
        in_channels: int,
        width: int,
        out_channels: int,
        stride: int,
        kernels: tuple[int, ...],
        option: Option | None,
        *,
        first: bool,
    ) -> None:
        super().__init__()
        self.span = len(kernels)
        self.first = first
        for i, convolution in _convolutions(in_channels, width, out_channels, stride, kernels):
            self.add_module(f"bn{i}", nn.BatchNorm2d(convolution.in_channels))
            self.add_module(f"conv{i}", convolution)
        self.shortcut = _shortcut(in_channels, out_channels, stride, option, batch_norm=False)

    def forward(self, x: Tensor) -> Tensor:
        """F(x) + shortcut(x)."""
        y = start = x
        for i in range(1, self.span + 1):
            y = F.relu(self.get_submodule(f"bn{i}")(y), inplace=True)
            if i == 1 and self.first:
                start = y
            y = self.get_submodule(f"conv{i}")(y)
        return y if self.shortcut is None else y + self.shortcut(start)


def _convolutions(
    in_channels: int, width: int, out_channels: int, stride: int, kernels: tuple[int, ...]
) -> Iterator[tuple[int, nn.Conv2d]]:
    """The convolutions of F, numbered from 1."""
    for i, kernel in enumerate(kernels, start=1):
        channels = out_channels if i == len(kernels) else width
        yield i, nn.Conv2d(in_channels, channels, kernel, stride=stride, padding=kernel // 2, bias=False)
        in_channels, stride = channels, 1


def _shortcut(
    in_channels: int, out_channels: int, stride: int, option: Option | None, *, batch_norm: bool
) -> nn.Module | None:
    fits = stride == 1 and in_channels == out_channels
    if option is None:
        return None
    if fits and option != "C":
        return nn.Identity()
    if option == "A":
        return PaddedIdentity(in_channels, out_channels, stride)
    projection = nn.Conv2d(in_channels, out_channels, kernel_size=1, stride=stride, bias=False)
    return nn.Sequential(projection, *([nn.BatchNorm2d(out_channels)] if batch_norm else []))
