"""Starting values that several networks share."""

from collections.abc import Collection, Iterator
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


def glorot_uniform(network: nn.Module) -> None:
    """Fill the weights of all convolutions and linear layers from U(±sqrt(6 / (fan_in + fan_out))), biases with 0.

    Glorot, Bengio: Understanding the difficulty of training deep feedforward neural networks, AISTATS 2010,
    equation 16.
    """
    for _, layer in _weighted(network):
        nn.init.xavier_uniform_(layer.weight)
    zero_biases(network)


def normal(network: nn.Module, std: float, *, biases_of_one: Collection[str] = ()) -> None:
    """Fill all weights from N(0, std²), the biases of the layers named with 1 and all others with 0."""
    for path, layer in _weighted(network):
        nn.init.normal_(layer.weight, std=std)
        if layer.bias is not None:
            nn.init.constant_(layer.bias, 1.0 if path in biases_of_one else 0.0)


def zero_biases(network: nn.Module) -> None:
    """Fill the biases of all convolutions and linear layers with 0."""
    for _, layer in _weighted(network):
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)


def _weighted(network: nn.Module) -> Iterator[tuple[str, nn.Conv1d | nn.Conv2d | nn.ConvTranspose2d | nn.Linear]]:
    """Paths and layers of all convolutions and linear layers."""
    for path, layer in network.named_modules():
        if isinstance(layer, nn.Conv1d | nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
            yield path, layer
