"""The classifier of ENet's encoder: the network for driving scenes up to its coarsest maps, which are averaged.

Paszke, Chaurasia, Kim, Culurciello: ENet: A Deep Neural Network Architecture for Real-Time Semantic Segmentation,
2016, arXiv:1606.02147, table 1. The paper trains the encoder to classify the regions of a scene of 512 pixels; here one
linear layer classifies the mean of all regions, for images of 224 pixels as its neighbors in the zoo take.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from convlens.layers.enet import Bottleneck, Initial, asymmetric, dilated, regular
from convlens.zoo.card import NetworkCard
from convlens.zoo.entry import family
from convlens.zoo.initialization import he_normal

CARD = NetworkCard(
    name="enet",
    year=2016,
    paper="Paszke, Chaurasia, Kim, Culurciello: ENet: A Deep Neural Network Architecture for Real-Time Semantic "
    "Segmentation, arXiv:1606.02147",
    head="fc",
    least_size=7,
)

_CONTEXT = (regular, dilated(2), asymmetric, dilated(4), regular, dilated(8), asymmetric, dilated(16))
"""The middles of bottlenecks 2.1 to 2.8, and of stage 3."""


class ENet(nn.Module):
    """Class scores (batch, classes) of images (batch, 3, height, width), of at least 7 pixels."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.initial = Initial()
        self.stage1 = nn.Sequential(
            Bottleneck(16, 64, regular, dropout=0.01, downsampling=True),
            *(Bottleneck(64, 64, regular, dropout=0.01) for _ in range(4)),
        )
        self.stage2 = nn.Sequential(Bottleneck(64, 128, regular, dropout=0.1, downsampling=True), *_context())
        self.stage3 = nn.Sequential(*_context())
        self.fc = nn.Linear(128, classes)
        he_normal(self, "fan_in")
        nn.init.zeros_(self.fc.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Class scores before the softmax."""
        x = self.stage3(self.stage2(self.stage1(self.initial(x))))
        scores: Tensor = self.fc(torch.flatten(F.adaptive_avg_pool2d(x, 1), 1))
        return scores


def _context() -> list[Bottleneck]:
    return [Bottleneck(128, 128, middle, dropout=0.1) for middle in _CONTEXT]


def enet(classes: int = 1000) -> ENet:
    """The classifier of ENet's encoder, arXiv:1606.02147, table 1."""
    return ENet(classes)


NETWORKS = family(CARD, enet=enet)
