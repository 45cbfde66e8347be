"""The smallest convolutional network: convolution, rectifier, pooling, twice, and a linear layer.

The form of LeCun, Boser, Denker et al.: Backpropagation Applied to Handwritten Zip Code Recognition, Neural
Computation 1, 1989, doi:10.1162/neco.1989.1.4.541, with today's rectifiers and max pooling.
"""

import torch
from torch import Tensor, nn

from convlens.core.preprocessing import Preprocessing
from convlens.zoo.card import NetworkCard
from convlens.zoo.entry import family
from convlens.zoo.initialization import he_normal, zero_biases

CARD = NetworkCard(
    name="small_convnet",
    year=2026,
    paper="convlens's own, in the form of LeCun, Boser, Denker et al.: Backpropagation Applied to Handwritten Zip Code "
    "Recognition, Neural Computation 1, 1989, doi:10.1162/neco.1989.1.4.541",
    head="fc",
    classes=10,
    data="mnist",
    input_shape=(1, 28, 28),
    least_size=28,
    preprocessing=Preprocessing(size=28, resize=28, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5)),
)


class SmallConvNet(nn.Module):
    """Class scores (batch, classes) of gray images (batch, 1, 28, 28)."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 16, kernel_size=5, padding=2),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(kernel_size=2),
            nn.Conv2d(16, 32, kernel_size=5, padding=2),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(kernel_size=2),
        )
        self.fc = nn.Linear(32 * 7 * 7, classes)
        he_normal(self, "fan_in")
        zero_biases(self)

    def forward(self, x: Tensor) -> Tensor:
        """Class scores before the softmax."""
        scores: Tensor = self.fc(torch.flatten(self.features(x), 1))
        return scores


def small_convnet(classes: int = 10) -> SmallConvNet:
    """Two convolutions and a linear layer."""
    return SmallConvNet(classes)


NETWORKS = family(CARD, small_convnet=small_convnet)
