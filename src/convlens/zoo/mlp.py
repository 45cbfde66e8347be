"""The two-layer network: one hidden layer, several outputs.

Rumelhart, Hinton, Williams: Learning representations by back-propagating errors, Nature 323, 1986,
doi:10.1038/323533a0. The hidden units are sigmoids, as there: the function whose gradient, σ (1 - σ), is derived by
hand, and one that is differentiable everywhere, so that every check by finite differences holds. One layer of them
does not yet suffer from the gradients that vanish through many.
"""

import torch
from torch import Tensor, nn

from convlens.core.preprocessing import Preprocessing
from convlens.zoo.card import NetworkCard
from convlens.zoo.entry import family
from convlens.zoo.initialization import glorot_uniform

CARD = NetworkCard(
    name="mlp",
    year=1986,
    paper="Rumelhart, Hinton, Williams: Learning representations by back-propagating errors, Nature 323, 1986, "
    "doi:10.1038/323533a0",
    head="output",
    classes=10,
    data="mnist",
    input_shape=(1, 28, 28),
    least_size=28,
    preprocessing=Preprocessing(size=28, resize=28, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5)),
)

_PIXELS = 28 * 28


class MLP(nn.Module):
    """Class scores (batch, classes) of gray images (batch, 1, 28, 28), or of anything with 784 numbers."""

    def __init__(self, hidden: int, classes: int) -> None:
        super().__init__()
        self.hidden = nn.Linear(_PIXELS, hidden)
        self.sigmoid = nn.Sigmoid()
        self.output = nn.Linear(hidden, classes)
        glorot_uniform(self)

    def forward(self, x: Tensor) -> Tensor:
        """Class scores before the softmax."""
        scores: Tensor = self.output(self.sigmoid(self.hidden(torch.flatten(x, 1))))
        return scores


def mlp(classes: int = 10) -> MLP:
    """The two-layer network with 128 hidden units."""
    return MLP(128, classes)


NETWORKS = family(CARD, mlp=mlp)
