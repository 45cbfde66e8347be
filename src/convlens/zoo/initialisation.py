"""Starting values that several networks share."""

from typing import Literal

from torch import nn


def he_normal(network: nn.Module, mode: Literal["fan_in", "fan_out"]) -> None:
    """Fill the weights of all convolutions from N(0, 2 / fan), so that rectified signals keep their size.

    He, Zhang, Ren, Sun: Delving Deep into Rectifiers, ICCV 2015, arXiv:1502.01852, section 2.2. `fan_in`
    keeps the size of the signals on the way forward (equation 10), `fan_out` that of the gradients backward
    (equation 14).
    """
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, mode=mode, nonlinearity="relu")
