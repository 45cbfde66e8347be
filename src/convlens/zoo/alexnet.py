"""AlexNet, in the form for one GPU: five convolutions, three fully connected layers.

Krizhevsky: One weird trick for parallelizing convolutional neural networks, 2014, arXiv:1404.5997. It differs
from the network of 2012 (Krizhevsky, Sutskever, Hinton, NIPS 2012): fewer filters, no groups, no local
response normalization. Names and shapes are torchvision's.
"""

import torch
from torch import Tensor, nn

from convlens.zoo.card import NetworkCard
from convlens.zoo.entry import family
from convlens.zoo.initialization import normal

CARD = NetworkCard(
    name="alexnet",
    year=2014,
    paper="Krizhevsky: One weird trick for parallelizing convolutional neural networks, arXiv:1404.5997",
    head="classifier.6",
    least_size=63,
)


class AlexNet(nn.Module):
    """Class scores (batch, classes) of images (batch, 3, height, width), of at least 63 pixels."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 64, kernel_size=11, stride=4, padding=2),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(kernel_size=3, stride=2),
            nn.Conv2d(64, 192, kernel_size=5, padding=2),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(kernel_size=3, stride=2),
            nn.Conv2d(192, 384, kernel_size=3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(384, 256, kernel_size=3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(256, 256, kernel_size=3, padding=1),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(kernel_size=3, stride=2),
        )
        self.avgpool = nn.AdaptiveAvgPool2d(6)
        self.classifier = nn.Sequential(
            nn.Dropout(0.5),
            nn.Linear(256 * 6 * 6, 4096),
            nn.ReLU(inplace=True),
            nn.Dropout(0.5),
            nn.Linear(4096, 4096),
            nn.ReLU(inplace=True),
            nn.Linear(4096, classes),
        )
        # As in 2012 (section 5): a positive start for the rectifiers of convolutions 2, 4 and 5 and the hidden layers.
        normal(self, 0.01, biases_of_one=("features.3", "features.8", "features.10", "classifier.1", "classifier.4"))

    def forward(self, x: Tensor) -> Tensor:
        """Class scores before the softmax."""
        x = self.avgpool(self.features(x))
        scores: Tensor = self.classifier(torch.flatten(x, 1))
        return scores


def alexnet(classes: int = 1000) -> AlexNet:
    """AlexNet for one GPU, arXiv:1404.5997, as torchvision builds it."""
    return AlexNet(classes)


NETWORKS = family(CARD, alexnet=alexnet)
