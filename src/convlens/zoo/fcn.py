"""Fully convolutional networks: VGG16 with convolutions for its linear layers, and scores of every pixel.

Long, Shelhamer, Darrell: Fully Convolutional Networks for Semantic Segmentation, CVPR 2015, arXiv:1411.4038, section 4.
Scores at 1/32 of the resolution are upsampled at once (`fcn32s`), or doubled and added to those of the fourth pooling
(`fcn16s`), and of the third (`fcn8s`), before the rest of the way.

The paper pads the image by 100 pixels, runs the 7x7 layer without padding, and crops in the middle. Here poolings round
odd sizes up, as the paper's framework does, and the 7x7 layer pads by 3: all maps begin at the image's first pixel, any
size works, and what reaches beyond the end is cropped. The paper starts from VGG16's weights (`vgg.state_from_vgg16`);
without them, training starts as He et al. draw theirs.
"""

from torch import Tensor, nn

from convlens.layers.skip_scores import SkipScores
from convlens.zoo.card import NetworkCard
from convlens.zoo.entry import family
from convlens.zoo.initialization import he_normal, zero_biases
from convlens.zoo.vgg import D, stages

CARD = NetworkCard(
    name="fcn",
    year=2014,
    paper="Long, Shelhamer, Darrell: Fully Convolutional Networks for Semantic Segmentation, CVPR 2015, "
    "arXiv:1411.4038",
    head="classifier.6",
    classes=21,
    data=None,
    output="maps",
)

_POOLINGS = (23, 16)
"""The places of the fourth and the third pooling among VGG16's layers, in the order that skips are added."""
_CHANNELS = (512, 256)
"""Of these poolings."""


class FCN(nn.Module):
    """Maps of class scores (batch, classes, height, width) of images (batch, 3, height, width), of any size.

    `skips` is how many poolings are scored beside the last layer: 0, 1 or 2. `hidden` are the channels of the layers
    before the scores. Names are those of torchvision's VGG16.
    """

    def __init__(self, classes: int, *, skips: int, hidden: int = 4096) -> None:
        super().__init__()
        self.poolings = _POOLINGS[:skips]
        self.features = stages(D, ceil_mode=True)
        self.classifier = nn.ModuleList(
            (
                nn.Conv2d(512, hidden, kernel_size=7, padding=3),
                nn.ReLU(inplace=True),
                nn.Dropout(0.5),
                nn.Conv2d(hidden, hidden, kernel_size=1),
                nn.ReLU(inplace=True),
                nn.Dropout(0.5),
                SkipScores(hidden, classes, _CHANNELS[:skips], factor=32 >> skips),
            )
        )
        for layers in (self.features, self.classifier[:-1]):
            he_normal(layers, "fan_in")
            zero_biases(layers)

    def forward(self, image: Tensor) -> Tensor:
        """Class scores of every pixel."""
        x, maps = image, {}
        for place, layer in enumerate(self.features):
            x = layer(x)
            if place in self.poolings:
                maps[place] = x
        for layer in self.classifier[:-1]:
            x = layer(x)
        scores: Tensor = self.classifier[-1](x, [maps[place] for place in self.poolings], image)
        return scores


def fcn32s(classes: int = 21) -> FCN:
    """The fully convolutional VGG16 whose scores are upsampled 32 times at once, arXiv:1411.4038, section 4.1."""
    return FCN(classes, skips=0)


def fcn16s(classes: int = 21) -> FCN:
    """The fully convolutional VGG16 that also scores its fourth pooling, arXiv:1411.4038, section 4.2."""
    return FCN(classes, skips=1)


def fcn8s(classes: int = 21) -> FCN:
    """The fully convolutional VGG16 that also scores its third and fourth pooling, arXiv:1411.4038, section 4.2."""
    return FCN(classes, skips=2)


NETWORKS = family(CARD, fcn32s=fcn32s, fcn16s=fcn16s, fcn8s=fcn8s)
