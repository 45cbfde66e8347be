"""Small networks with the shapes of wiring that a split must survive."""

from functools import cache

import torch
from torch import Tensor, nn

from convlens.backbones.graph_cache import cached_capture
from convlens.graph.graph import Graph
from convlens.zoo import blueprint, card


class Residual(nn.Module):
    """Two convolutions with a shortcut, in-place operators, and a classifier with dropout."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 4, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(4)
        self.conv2 = nn.Conv2d(4, 4, 3, padding=1)
        self.bn2 = nn.BatchNorm2d(4)
        self.relu = nn.ReLU(inplace=True)
        self.dropout = nn.Dropout(0.5)
        self.fc = nn.Linear(4 * 4, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(x))
        y += x
        y = self.relu(y)
        y = nn.functional.adaptive_avg_pool2d(y, 2)
        return self.fc(self.dropout(y.view(y.shape[0], -1)))  # type: ignore[no-any-return]


class Dense(nn.Module):
    """Three layers, each reading the concatenation of all that came before."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Conv2d(3 + 2 * i, 2, 3, padding=1) for i in range(3))
        self.fc = nn.Linear(9, 2)

    def forward(self, x: Tensor) -> Tensor:
        features = [x]
        for layer in self.layers:
            features.append(torch.relu(layer(torch.cat(features, 1))))
        return self.fc(torch.cat(features, 1).mean((2, 3)))  # type: ignore[no-any-return]


def randomized(module: nn.Module, seed: int = 0) -> nn.Module:
    """The module with statistics and biases that are not the trivial ones of a fresh network."""
    generator = torch.Generator().manual_seed(seed)
    for name, tensor in module.state_dict().items():
        if tensor.is_floating_point():
            tensor.copy_(torch.rand(tensor.shape, generator=generator) * 0.5 + (0.5 if "var" in name else -0.25))
    return module


@cache
def zoo_graph(name: str) -> Graph:
    """A network of the zoo, without values, captured once for all tests at the input that its card names."""
    example = torch.zeros(2, *card(name).input_shape, device="meta")
    return cached_capture(name, card(name).classes)(blueprint(name).eval(), example)
