"""U-Net: a path that contracts, a path that expands, and at every resolution the maps of the first beside the second's.

Ronneberger, Fischer, Brox: U-Net: Convolutional Networks for Biomedical Image Segmentation, MICCAI 2015,
arXiv:1505.04597, section 2. The paper's convolutions have no padding, so that its map is 184 pixels smaller than its
image, and each skip is cropped in the middle. Here every 3x3 pads by 1, and the map is as large as the image. Poolings
round odd sizes up, and what an up-convolution makes beyond its skip's last row or column is cropped: any size works.
The paper's images are gray; `in_channels=1` is that.
"""

import torch
from torch import Tensor, nn

from convlens.layers.upsampling import cropped
from convlens.zoo.card import NetworkCard
from convlens.zoo.entry import family
from convlens.zoo.initialization import he_normal, zero_biases

CARD = NetworkCard(
    name="unet",
    year=2015,
    paper="Ronneberger, Fischer, Brox: U-Net: Convolutional Networks for Biomedical Image Segmentation, MICCAI 2015, "
    "arXiv:1505.04597",
    head="final",
    classes=2,
    data=None,
    output="maps",
)

_LEVELS = 5


class UNet(nn.Module):
    """Maps of class scores (batch, classes, height, width) of images (batch, in_channels, height, width), of any size.

    `width` are the channels at full resolution, doubled at each of four levels below it (figure 1: 64 to 1024).
    """

    def __init__(self, classes: int, *, in_channels: int = 3, width: int = 64) -> None:
        super().__init__()
        widths = [width << level for level in range(_LEVELS)]
        self.pool = nn.MaxPool2d(kernel_size=2, ceil_mode=True)
        self.contracting = nn.ModuleList(
            _twice(before, after) for before, after in zip([in_channels, *widths], widths, strict=False)
        )
        self.dropout = nn.Dropout(0.5)  # at the end of the contracting path, section 3.1
        upward = [*zip(widths[:0:-1], widths[-2::-1], strict=True)]
        self.up = nn.ModuleList(nn.ConvTranspose2d(below, here, kernel_size=2, stride=2) for below, here in upward)
        self.expanding = nn.ModuleList(_twice(2 * here, here) for _, here in upward)
        self.final = nn.Conv2d(width, classes, kernel_size=1)
        self._initialize()

    def _initialize(self) -> None:
        """N(0, 2 / n), n the connections into one neuron (section 3); one place of a strided 2x2 reads one place."""
        he_normal(self, "fan_in")
        zero_biases(self)
        for layer in self.up.modules():
            if isinstance(layer, nn.ConvTranspose2d):
                nn.init.normal_(layer.weight, std=(2 / layer.in_channels) ** 0.5)

    def forward(self, x: Tensor) -> Tensor:
        """Class scores of every pixel."""
        skips: list[Tensor] = []
        for level, layers in enumerate(self.contracting):
            x = layers(x if level == 0 else self.pool(x))
            skips.append(x)
        x = self.dropout(skips.pop())
        for up, layers in zip(self.up, self.expanding, strict=True):
            skip = skips.pop()
            x = layers(torch.cat((skip, cropped(up(x), skip)), dim=1))
        scores: Tensor = self.final(x)
        return scores


def _twice(in_channels: int, out_channels: int) -> nn.Sequential:
    """Two 3x3 convolutions, each with its rectifier."""
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, kernel_size=3, padding=1),
        nn.ReLU(inplace=True),
        nn.Conv2d(out_channels, out_channels, kernel_size=3, padding=1),
        nn.ReLU(inplace=True),
    )


def unet(classes: int = 2) -> UNet:
    """U-Net of 64 to 1024 channels, arXiv:1505.04597, figure 1."""
    return UNet(classes)


NETWORKS = family(CARD, unet=unet)
