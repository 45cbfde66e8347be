"""SegNet: VGG16's convolutions, and a decoder that puts maxima back where the encoder's poolings found them.

Badrinarayanan, Kendall, Cipolla: SegNet: A Deep Convolutional Encoder-Decoder Architecture for Image Segmentation,
TPAMI 2017, arXiv:1511.00561, section 3. The encoder is torchvision's `vgg16_bn` before its linear layers, by name, so
that its weights load. Poolings round odd sizes up, and unpoolings give the size before them: any size works. The paper
starts from VGG16's weights and draws the decoder as He et al. do; without them, all layers start so.
"""

import itertools

from torch import Tensor, nn

from convlens.zoo.card import NetworkCard
from convlens.zoo.entry import family
from convlens.zoo.initialization import he_normal, zero_biases
from convlens.zoo.vgg import WIDTHS, D, stages

CARD = NetworkCard(
    name="segnet",
    year=2015,
    paper="Badrinarayanan, Kendall, Cipolla: SegNet: A Deep Convolutional Encoder-Decoder Architecture for Image "
    "Segmentation, TPAMI 2017, arXiv:1511.00561",
    head="final",
    classes=11,
    data=None,
    output="maps",
)


class SegNet(nn.Module):
    """Maps of class scores (batch, classes, height, width) of images (batch, 3, height, width), of any size.

    `widths` are the channels of the encoder's five stages, which the decoder mirrors: each of its stages unpools, runs
    as many convolutions, and ends with the channels of the stage before. The last convolution gives the classes.
    """

    def __init__(self, classes: int, *, widths: tuple[int, ...] = WIDTHS) -> None:
        super().__init__()
        self.features = stages(D, widths=widths, batch_norm=True, ceil_mode=True, return_indices=True)
        self.unpool = nn.MaxUnpool2d(kernel_size=2)
        self.decoder = nn.ModuleList()
        for stage in reversed(range(len(D))):
            channels = [widths[stage]] * D[stage] + [widths[stage - 1]] * (stage > 0)
            layers = (layer for before, after in itertools.pairwise(channels) for layer in _layer(before, after))
            self.decoder.append(nn.Sequential(*layers))
        self.final = nn.Conv2d(widths[0], classes, kernel_size=3, padding=1)
        he_normal(self, "fan_in")
        zero_biases(self)

    def forward(self, x: Tensor) -> Tensor:
        """Class scores of every pixel."""
        poolings: list[tuple[Tensor, list[int]]] = []
        for layer in self.features:
            if isinstance(layer, nn.MaxPool2d):
                size = list(x.shape[-2:])
                x, places = layer(x)
                poolings.append((places, size))
            else:
                x = layer(x)
        for layers in self.decoder:
            places, size = poolings.pop()
            x = layers(self.unpool(x, places, output_size=size))
        scores: Tensor = self.final(x)
        return scores


def _layer(in_channels: int, out_channels: int) -> tuple[nn.Module, ...]:
    """A 3x3 convolution, batch normalization and a rectifier."""
    convolution = nn.Conv2d(in_channels, out_channels, kernel_size=3, padding=1)
    return convolution, nn.BatchNorm2d(out_channels), nn.ReLU(inplace=True)


def segnet(classes: int = 11) -> SegNet:
    """SegNet with the 13 convolutions of VGG16 and their mirror image, arXiv:1511.00561, section 3."""
    return SegNet(classes)


NETWORKS = family(CARD, segnet=segnet)
