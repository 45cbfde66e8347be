"""Class scores from maps of several depths, from coarse and sure to fine.

Long, Shelhamer, Darrell: Fully Convolutional Networks for Semantic Segmentation, CVPR 2015, arXiv:1411.4038, sections
3.3 and 4.2.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from convlens.layers.upsampling import BilinearUpsampling, cropped


class SkipScores(nn.Module):
    """1x1 convolutions that score maps of several depths, whose scores are upsampled and added (figure 3).

    Shapes: x (batch, in_channels, height, width) is the deepest map, scored by this layer's own weight and bias. Each
    of `skips`, (batch, skip_channels[i], ...), has about twice the resolution of the one before. The sum, upsampled
    `factor` times by fixed bilinear interpolation, is (batch, classes, ...) of the size of `image`.

    All score layers start at zero (section 4.1 and 4.2: random ones were no better), the doublings between them as
    bilinear interpolation, which is then learned (section 4.3).
    """

    def __init__(self, in_channels: int, classes: int, skip_channels: tuple[int, ...], factor: int) -> None:
        super().__init__()
        self.in_channels, self.skip_channels, self.factor = in_channels, skip_channels, factor
        self.weight = nn.Parameter(torch.empty(classes, in_channels, 1, 1))
        self.bias = nn.Parameter(torch.empty(classes))
        self.skips = nn.ModuleList(nn.Conv2d(channels, classes, kernel_size=1) for channels in skip_channels)
        self.doublings = nn.ModuleList(BilinearUpsampling(classes, 2, learned=True) for _ in skip_channels)
        self.upsampling = BilinearUpsampling(classes, factor, learned=False)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Fill the score layers with zeros."""
        for scored in (self, *self.skips):
            nn.init.zeros_(scored.weight)
            nn.init.zeros_(scored.bias)

    def for_classes(self, classes: int) -> "SkipScores":
        """New layers that read the same maps and score so many classes."""
        return SkipScores(self.in_channels, classes, self.skip_channels, self.factor)

    def forward(self, x: Tensor, skips: Sequence[Tensor], image: Tensor) -> Tensor:
        """Class scores of every pixel."""
        scores = F.conv2d(x, self.weight, self.bias)
        for double, score, skip in zip(self.doublings, self.skips, skips, strict=True):
            scores = cropped(double(scores), skip) + score(skip)
        return cropped(self.upsampling(scores), image)
