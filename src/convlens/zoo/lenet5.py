"""LeNet-5, as its paper has it: squashed sums, learned subsampling, a table of connections.

LeCun, Bottou, Bengio, Haffner: Gradient-Based Learning Applied to Document Recognition, Proceedings of the IEEE 86,
1998, section II.B, doi:10.1109/5.726791. All 60,000 trained parameters of the paper are here. One thing differs: its
output units measure distances to fixed drawings of the characters (radial basis functions), ours are a linear layer,
which other classes can replace.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from convlens.core.preprocessing import Preprocessing
from convlens.zoo.card import NetworkCard
from convlens.zoo.entry import family

CARD = NetworkCard(
    name="lenet5",
    year=1998,
    paper="LeCun, Bottou, Bengio, Haffner: Gradient-Based Learning Applied to Document Recognition, Proceedings of the "
    "IEEE 86, 1998, doi:10.1109/5.726791",
    head="output",
    classes=10,
    data="mnist",
    input_shape=(1, 32, 32),
    least_size=32,
    # 0 becomes -0.1 and 1 becomes 1.175, so that digits have mean 0 and variance 1 (section II.B).
    preprocessing=Preprocessing(size=32, resize=32, mean=(0.1 / 1.275,) * 3, std=(1 / 1.275,) * 3),
)

_THREE_IN_A_ROW = ((0, 1, 2), (1, 2, 3), (2, 3, 4), (3, 4, 5), (4, 5, 0), (5, 0, 1))
_FOUR = (
    *((0, 1, 2, 3), (1, 2, 3, 4), (2, 3, 4, 5), (3, 4, 5, 0), (4, 5, 0, 1), (5, 0, 1, 2)),
    *((0, 1, 3, 4), (1, 2, 4, 5), (0, 2, 3, 5)),
)
"""Maps of S2 that each of the first 15 maps of C3 reads; the last one reads them all (table I)."""


class Squash(nn.Module):
    """1.7159 tanh(2/3 x): keeps 1 and -1 where they are, and is steepest between them (equation 6, appendix A)."""

    def forward(self, x: Tensor) -> Tensor:
        """1.7159 tanh(2/3 x)."""
        return 1.7159 * torch.tanh(x * (2 / 3))


class Subsampling(nn.Module):
    """The sum of 2x2 places times a coefficient plus a bias, both learned, one of each a channel.

    Shapes: x is (batch, channels, height, width), the result (batch, channels, height / 2, width / 2).
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.coefficient = nn.Parameter(torch.ones(channels, 1, 1))
        self.bias = nn.Parameter(torch.zeros(channels, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        """coefficient * sum + bias."""
        return self.coefficient * F.avg_pool2d(x, kernel_size=2, divisor_override=1) + self.bias


class PartialConvolution(nn.Module):
    """C3: 16 maps that read three, four or all six of the maps of S2 through 5x5 windows; 1,516 parameters.

    Shapes: x is (batch, 6, height, width), the result (batch, 16, height - 4, width - 4).
    """

    def __init__(self) -> None:
        super().__init__()
        self.of_three = nn.Conv2d(3 * 6, 6, kernel_size=5, groups=6)
        self.of_four = nn.Conv2d(4 * 9, 9, kernel_size=5, groups=9)
        self.of_all = nn.Conv2d(6, 1, kernel_size=5)

    def forward(self, x: Tensor) -> Tensor:
        """The 16 maps in the order of table I."""
        maps = torch.split(x, 1, dim=1)
        three = torch.cat([maps[i] for read in _THREE_IN_A_ROW for i in read], dim=1)
        four = torch.cat([maps[i] for read in _FOUR for i in read], dim=1)
        return torch.cat((self.of_three(three), self.of_four(four), self.of_all(x)), dim=1)


class LeNet5(nn.Module):
    """Class scores (batch, classes) of gray images (batch, 1, 32, 32)."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.c1 = nn.Conv2d(1, 6, kernel_size=5)
        self.s2 = Subsampling(6)
        self.c3 = PartialConvolution()
        self.s4 = Subsampling(16)
        self.c5 = nn.Conv2d(16, 120, kernel_size=5)
        self.f6 = nn.Linear(120, 84)
        self.output = nn.Linear(84, classes)
        self.squash = Squash()
        _initialize(self)

    def forward(self, x: Tensor) -> Tensor:
        """Class scores before the softmax."""
        x = self.squash(self.s2(self.squash(self.c1(x))))
        x = self.squash(self.s4(self.squash(self.c3(x))))
        x = torch.flatten(self.squash(self.c5(x)), 1)
        scores: Tensor = self.output(self.squash(self.f6(x)))
        return scores


def _initialize(network: LeNet5) -> None:
    """Weights uniform within 2.4 / fan-in of 0 (section II.B, appendix A), biases 0; a coefficient's fan-in is 4."""
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            bound = 2.4 / layer.weight[0].numel()
            nn.init.uniform_(layer.weight, -bound, bound)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
        elif isinstance(layer, Subsampling):
            nn.init.uniform_(layer.coefficient, -2.4 / 4, 2.4 / 4)


def lenet5(classes: int = 10) -> LeNet5:
    """LeNet-5, doi:10.1109/5.726791, figure 2."""
    return LeNet5(classes)


NETWORKS = family(CARD, lenet5=lenet5)
