"""ResNet: four stages of residual blocks.

He, Zhang, Ren, Sun: Deep Residual Learning for Image Recognition, CVPR 2016, arXiv:1512.03385. Names and
shapes are torchvision's, with the stride of a bottleneck on its 3x3 convolution; in the networks whose names
end in `_v1` it is on the first 1x1, as in the paper. The weights of one form load into the other, but do not suit it.
"""

import torch
from torch import Tensor, nn

from convlens.layers.residual import BasicBlock, Bottleneck, PaperBottleneck
from convlens.zoo.card import NetworkCard
from convlens.zoo.entry import family
from convlens.zoo.initialization import he_normal

CARD = NetworkCard(
    name="resnet",
    year=2015,
    paper="He, Zhang, Ren, Sun: Deep Residual Learning for Image Recognition, CVPR 2016, arXiv:1512.03385",
    head="fc",
)

Block = type[BasicBlock] | type[Bottleneck]


class ResNetBody(nn.Module):
    """Maps (batch, 512 x the block's expansion, height / 32, width / 32) of images (batch, 3, height, width).

    `depths` are the numbers of blocks in the stages. At an `output_stride` of 16 or 8 the last stage, or the last two,
    keep the resolution and are dilated instead: their blocks see the places that they saw before.
    """

    def __init__(self, block: Block, depths: tuple[int, int, int, int], *, output_stride: int = 32) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, kernel_size=7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(kernel_size=3, stride=2, padding=1)
        self.layer1 = _stage(block, 64, 64, depths[0])
        self.layer2 = _stage(block, 64 * block.expansion, 128, depths[1], stride=2)
        third, fourth = max(1, 16 // output_stride), max(1, 32 // output_stride)  # dilations
        self.layer3 = _stage(block, 128 * block.expansion, 256, depths[2], stride=2 // third, dilations=(1, third))
        self.layer4 = _stage(
            block, 256 * block.expansion, 512, depths[3], stride=2 * third // fourth, dilations=(third, fourth)
        )

    def forward(self, x: Tensor) -> Tensor:
        """The maps of the last stage."""
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        maps: Tensor = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return maps


class ResNet(ResNetBody):
    """Class scores (batch, classes) of images (batch, 3, height, width), of any size.

    `depths` are the numbers of blocks in the stages.
    """

    def __init__(self, block: Block, depths: tuple[int, int, int, int], classes: int) -> None:
        super().__init__(block, depths)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(512 * block.expansion, classes)
        he_normal(self, "fan_out")

    def forward(self, x: Tensor) -> Tensor:
        """Class scores before the softmax."""
        scores: Tensor = self.fc(torch.flatten(self.avgpool(super().forward(x)), 1))
        return scores


def _stage(
    block: Block, in_channels: int, width: int, depth: int, *, stride: int = 1, dilations: tuple[int, int] = (1, 1)
) -> nn.Sequential:
    """Blocks of which the first has the stride; `dilations` are that of its first 3x3, and of all that follow."""
    later = (dilations[1], dilations[1])
    blocks = (block(width * block.expansion, width, dilations=later) for _ in range(depth - 1))
    return nn.Sequential(block(in_channels, width, stride, dilations), *blocks)


def resnet18(classes: int = 1000) -> ResNet:
    """ResNet with 18 layers, arXiv:1512.03385, table 1."""
    return ResNet(BasicBlock, (2, 2, 2, 2), classes)


def resnet34(classes: int = 1000) -> ResNet:
    """ResNet with 34 layers, arXiv:1512.03385, table 1."""
    return ResNet(BasicBlock, (3, 4, 6, 3), classes)


def resnet50(classes: int = 1000) -> ResNet:
    """ResNet with 50 layers, arXiv:1512.03385, table 1."""
    return ResNet(Bottleneck, (3, 4, 6, 3), classes)


def resnet101(classes: int = 1000) -> ResNet:
    """ResNet with 101 layers, arXiv:1512.03385, table 1."""
    return ResNet(Bottleneck, (3, 4, 23, 3), classes)


def resnet152(classes: int = 1000) -> ResNet:
    """ResNet with 152 layers, arXiv:1512.03385, table 1."""
    return ResNet(Bottleneck, (3, 8, 36, 3), classes)


def resnet50_v1(classes: int = 1000) -> ResNet:
    """ResNet with 50 layers and the paper's stride, arXiv:1512.03385, table 1."""
    return ResNet(PaperBottleneck, (3, 4, 6, 3), classes)


def resnet101_v1(classes: int = 1000) -> ResNet:
    """ResNet with 101 layers and the paper's stride, arXiv:1512.03385, table 1."""
    return ResNet(PaperBottleneck, (3, 4, 23, 3), classes)


def resnet152_v1(classes: int = 1000) -> ResNet:
    """ResNet with 152 layers and the paper's stride, arXiv:1512.03385, table 1."""
    return ResNet(PaperBottleneck, (3, 8, 36, 3), classes)


NETWORKS = family(
    CARD,
    resnet18=resnet18,
    resnet34=resnet34,
    resnet50=resnet50,
    resnet50_v1=resnet50_v1,
    resnet101=resnet101,
    resnet101_v1=resnet101_v1,
    resnet152=resnet152,
    resnet152_v1=resnet152_v1,
)
