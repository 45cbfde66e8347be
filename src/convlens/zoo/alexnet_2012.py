"""AlexNet as it won in 2012: two groups that two GPUs held, local response normalization, overlapping pooling.

Krizhevsky, Sutskever, Hinton: ImageNet Classification with Deep Convolutional Neural Networks, NIPS 2012,
doi:10.1145/3065386. The paper says 224 pixels, but its 55x55 maps need the 227 that everyone uses.
"""

import torch
from torch import Tensor, nn

from convlens.core.preprocessing import Preprocessing
from convlens.layers.local_response import LocalResponseNorm
from convlens.zoo.card import NetworkCard
from convlens.zoo.entry import family
from convlens.zoo.initialization import normal

CARD = NetworkCard(
    name="alexnet_2012",
    year=2012,
    paper="Krizhevsky, Sutskever, Hinton: ImageNet Classification with Deep Convolutional Neural Networks, NIPS 2012, "
    "doi:10.1145/3065386",
    head="classifier.6",
    input_shape=(3, 227, 227),
    least_size=67,
    preprocessing=Preprocessing(size=227, resize=256),
)


class AlexNet2012(nn.Module):
    """Class scores (batch, classes) of images (batch, 3, height, width), of at least 67 pixels.

    Convolutions 2, 4 and 5 have two groups: a half of the filters sees the half of the channels on its own GPU.
    """

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 96, kernel_size=11, stride=4),
            nn.ReLU(inplace=True),
            LocalResponseNorm(),
            nn.MaxPool2d(kernel_size=3, stride=2),
            nn.Conv2d(96, 256, kernel_size=5, padding=2, groups=2),
            nn.ReLU(inplace=True),
            LocalResponseNorm(),
            nn.MaxPool2d(kernel_size=3, stride=2),
            nn.Conv2d(256, 384, kernel_size=3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(384, 384, kernel_size=3, padding=1, groups=2),
            nn.ReLU(inplace=True),
            nn.Conv2d(384, 256, kernel_size=3, padding=1, groups=2),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(kernel_size=3, stride=2),
        )
        self.avgpool = nn.AdaptiveAvgPool2d(6)
        self.classifier = nn.Sequential(
            nn.Linear(256 * 6 * 6, 4096),
            nn.ReLU(inplace=True),
            nn.Dropout(0.5),
            nn.Linear(4096, 4096),
            nn.ReLU(inplace=True),
            nn.Dropout(0.5),
            nn.Linear(4096, classes),
        )
        # Section 5: a positive start for the rectifiers of convolutions 2, 4 and 5 and the hidden linear layers.
        normal(self, 0.01, biases_of_one=("features.4", "features.10", "features.12", "classifier.0", "classifier.3"))

    def forward(self, x: Tensor) -> Tensor:
        """Class scores before the softmax."""
        scores: Tensor = self.classifier(torch.flatten(self.avgpool(self.features(x)), 1))
        return scores


def alexnet_2012(classes: int = 1000) -> AlexNet2012:
    """AlexNet for two GPUs, doi:10.1145/3065386, figure 2."""
    return AlexNet2012(classes)


NETWORKS = family(CARD, alexnet_2012=alexnet_2012)
