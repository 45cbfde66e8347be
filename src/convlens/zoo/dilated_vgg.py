"""The front end of dilated networks: VGG16 without its last two poolings, for scores at every place.

Yu, Koltun: Multi-Scale Context Aggregation by Dilated Convolutions, ICLR 2016, arXiv:1511.07122, section 4. Where a
pooling is gone, all later layers are dilated twice as much, so that their weights see the places that they saw before.
The paper also takes away the padding of the convolutions and surrounds the image with its mirror image; here every
convolution keeps VGG16's zeros, so that any image gives maps of an eighth of its size. The paper starts from VGG16's
weights; without them, training starts as He et al. draw theirs.
"""

from torch import Tensor, nn

from convlens.zoo.card import NetworkCard
from convlens.zoo.entry import family
from convlens.zoo.initialization import he_normal, zero_biases

CARD = NetworkCard(
    name="dilated_vgg16",
    year=2015,
    paper="Yu, Koltun: Multi-Scale Context Aggregation by Dilated Convolutions, ICLR 2016, arXiv:1511.07122",
    head="classifier.6",
    classes=21,
    data=None,
    least_size=8,
    output="maps",
)

_STAGES = ((2, 64, 1), (2, 128, 1), (3, 256, 1), (3, 512, 1), (3, 512, 2))
"""Convolutions, channels and dilation of each stage."""
_POOLED_STAGES = 3


class DilatedVGG(nn.Module):
    """Maps of class scores (batch, classes, height // 8, width // 8) of images (batch, 3, height, width).

    Images have at least 8 pixels a side. `hidden` are the channels of the layers before the last. Names are those of
    torchvision's VGG16, see `vgg.state_from_vgg16`.
    """

    def __init__(self, classes: int, *, hidden: int = 4096) -> None:
        super().__init__()
        self.features = _features()
        self.classifier = nn.Sequential(
            nn.Conv2d(512, hidden, kernel_size=7, padding=12, dilation=4),
            nn.ReLU(inplace=True),
            nn.Dropout(0.5),
            nn.Conv2d(hidden, hidden, kernel_size=1),
            nn.ReLU(inplace=True),
            nn.Dropout(0.5),
            nn.Conv2d(hidden, classes, kernel_size=1),
        )
        he_normal(self, "fan_in")
        zero_biases(self)

    def forward(self, x: Tensor) -> Tensor:
        """Class scores of every place."""
        scores: Tensor = self.classifier(self.features(x))
        return scores


def _features() -> nn.Sequential:
    layers: list[nn.Module] = []
    in_channels = 3
    for stage, (depth, width, dilation) in enumerate(_STAGES, start=1):
        for _ in range(depth):
            layers.append(nn.Conv2d(in_channels, width, kernel_size=3, padding=dilation, dilation=dilation))
            layers.append(nn.ReLU(inplace=True))
            in_channels = width
        # Where VGG16 pools, nothing stands in the place of a pooling that is gone: the numbers of the layers stay.
        layers.append(nn.MaxPool2d(kernel_size=2) if stage <= _POOLED_STAGES else nn.Identity())
    return nn.Sequential(*layers)


def dilated_vgg16(classes: int = 21) -> DilatedVGG:
    """VGG16 with dilation instead of its last two poolings, arXiv:1511.07122, section 4."""
    return DilatedVGG(classes)


NETWORKS = family(CARD, dilated_vgg16=dilated_vgg16)
