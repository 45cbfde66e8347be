"""DeepLabv3: a residual network that is dilated where it would lose resolution, and atrous spatial pyramid pooling.

Chen, Papandreou, Schroff, Adam: Rethinking Atrous Convolution for Semantic Image Segmentation, 2017, arXiv:1706.05587.
Names and shapes are torchvision's: its second classifier, which helps in training, is left out (`aux_classifier`), the
pyramid is followed by a 3x3 convolution, which the paper does not have, and all blocks of a stage are dilated alike,
where the paper also tries grids of several dilations (section 3.2.1). Scores are upsampled bilinearly to the image.
"""

from torch import Tensor, nn

from convlens.layers.atrous_pyramid import AtrousPyramid, normalized, upsampled
from convlens.layers.residual import Bottleneck
from convlens.zoo.card import NetworkCard
from convlens.zoo.entry import family
from convlens.zoo.initialization import he_normal, zero_biases
from convlens.zoo.resnet import ResNetBody

CARD = NetworkCard(
    name="deeplabv3",
    year=2017,
    paper="Chen, Papandreou, Schroff, Adam: Rethinking Atrous Convolution for Semantic Image Segmentation, "
    "arXiv:1706.05587",
    head="classifier.4",
    classes=21,
    data=None,
    output="maps",
    dropped_weights=("aux_classifier.",),
)

_RATES = {8: (12, 24, 36), 16: (6, 12, 18)}
"""Of the pyramid, by output stride: the same places of the image (section 3.3)."""


class DeepLabV3(nn.Module):
    """Maps of class scores (batch, classes, height, width) of images (batch, 3, height, width), of any size.

    `depths` are the numbers of blocks in the residual network's stages, `output_stride` (8 or 16) how many pixels apart
    the places of its last map are, `channels` those of the pyramid.
    """

    def __init__(
        self,
        classes: int,
        *,
        depths: tuple[int, int, int, int] = (3, 4, 6, 3),
        output_stride: int = 8,
        channels: int = 256,
    ) -> None:
        super().__init__()
        self.backbone = ResNetBody(Bottleneck, depths, output_stride=output_stride)
        self.classifier = nn.Sequential(
            AtrousPyramid(512 * Bottleneck.expansion, channels, _RATES[output_stride]),
            *normalized(channels, channels, 3),
            nn.Conv2d(channels, classes, kernel_size=1),
        )
        he_normal(self, "fan_out")
        zero_biases(self)

    def forward(self, image: Tensor) -> Tensor:
        """Class scores of every pixel."""
        return upsampled(self.classifier(self.backbone(image)), image)


def deeplabv3_resnet50(classes: int = 21) -> DeepLabV3:
    """DeepLabv3 on ResNet-50 at an output stride of 8, arXiv:1706.05587, section 3.3."""
    return DeepLabV3(classes)


NETWORKS = family(CARD, deeplabv3_resnet50=deeplabv3_resnet50)
