"""Atrous spatial pyramid pooling: one map looked at through convolutions of several dilations, and as a whole.

Chen, Papandreou, Schroff, Adam: Rethinking Atrous Convolution for Semantic Image Segmentation, 2017, arXiv:1706.05587,
section 3.3 and figure 5. Names and shapes are torchvision's.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class AtrousPyramid(nn.Module):
    """Maps (batch, channels, height, width) of maps (batch, in_channels, height, width).

    A 1x1 convolution, a 3x3 for each of `rates` whose places stand that far apart, and the mean of the whole map,
    side by side, then joined by a 1x1. The dropout at the end is torchvision's.
    """

    def __init__(self, in_channels: int, channels: int, rates: tuple[int, ...]) -> None:
        super().__init__()
        self.convs = nn.ModuleList(
            (
                nn.Sequential(*normalized(in_channels, channels, 1)),
                *(nn.Sequential(*normalized(in_channels, channels, 3, dilation=rate)) for rate in rates),
                nn.Sequential(nn.AdaptiveAvgPool2d(1), *normalized(in_channels, channels, 1)),
            )
        )
        self.project = nn.Sequential(*normalized(len(self.convs) * channels, channels, 1), nn.Dropout(0.5))

    def forward(self, x: Tensor) -> Tensor:
        """The joined maps. The mean is the same at every place, as bilinear upsampling makes it of one."""
        *local, whole = (branch(x) for branch in self.convs)
        joined: Tensor = self.project(torch.cat((*local, whole.expand(-1, -1, *x.shape[-2:])), dim=1))
        return joined


def normalized(in_channels: int, out_channels: int, kernel_size: int, *, dilation: int = 1) -> tuple[nn.Module, ...]:
    """A convolution that keeps the size, batch normalization and a rectifier."""
    padding = kernel_size // 2 * dilation
    return (
        nn.Conv2d(in_channels, out_channels, kernel_size, padding=padding, dilation=dilation, bias=False),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(),
    )


def upsampled(x: Tensor, like: Tensor) -> Tensor:
    """The maps x, bilinearly interpolated to the height and width of `like`."""
    return F.interpolate(x, size=like.shape[-2:], mode="bilinear", align_corners=False)
