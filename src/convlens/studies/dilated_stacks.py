"""Stacks of plain, dilated and strided convolutions, the fields of their outputs, and networks that read one place.

Legend: a stack of layers with dilations d_1, d_2, ... of 3x3 filters sees d_1 + d_2 + ... pixels to each side of its
place, its reach, and one of causal filters with 2 taps so many steps back. With dilations 1, 2, 4, ... that is 2^n - 1
for n layers; with dilation 1 it is n.
"""

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from convlens.gradient.backpropagate import backpropagate
from convlens.graph.graph import Graph
from convlens.graph.receptive_field import receptive_field
from convlens.layers.dilated import CausalConv1d
from convlens.zoo.initialization import zero_biases

STACKS = ("plain", "dilated", "strided")
CAUSAL = ("causal plain", "causal dilated")


class AtCenter(nn.Module):
    """Scores (N, 2) from the features at the center of images (N, 3, H, W)."""

    def __init__(self, features: nn.Sequential) -> None:
        super().__init__()
        self.features = features
        self.head = nn.Linear(_channels(features), 2)

    def forward(self, images: Tensor) -> Tensor:
        """Class scores, which depend on what the center sees."""
        maps = self.features(images)
        scores: Tensor = self.head(maps[:, :, maps.shape[2] // 2, maps.shape[3] // 2])
        return scores


class AtLastStep(nn.Module):
    """Scores (N, 2) from the features at the last step of a signal: images (N, 3, H, W), whose columns are steps."""

    def __init__(self, features: nn.Sequential) -> None:
        super().__init__()
        self.features = features
        self.head = nn.Linear(_channels(features), 2)

    def forward(self, images: Tensor) -> Tensor:
        """Class scores, which depend on what the last step sees: of the mean of all rows, in three channels."""
        scores: Tensor = self.head(self.features(images.mean(2))[:, :, -1])
        return scores


def stack_of(stack: str, layers: int, channels: int) -> nn.Sequential:
    """The layers, each with a rectifier, from three channels on; He's initialization."""
    parts: list[nn.Module] = []
    for layer, dilation in enumerate(_dilations(stack, layers)):
        before = channels if layer else 3
        if stack in CAUSAL:
            convolution: nn.Module = CausalConv1d(before, channels, 2, dilation)
        elif stack == "strided":
            convolution = nn.Conv2d(before, channels, 3, stride=2, padding=1)
        else:
            convolution = nn.Conv2d(before, channels, 3, padding=dilation, dilation=dilation)
        parts += [convolution, nn.ReLU()]
    made = nn.Sequential(*parts)
    for part in made:
        if isinstance(part, nn.Conv1d | nn.Conv2d):
            nn.init.kaiming_normal_(part.weight, nonlinearity="relu")
    zero_biases(made)
    return made


def _dilations(stack: str, layers: int) -> list[int]:
    return [2**layer if stack.endswith("dilated") else 1 for layer in range(layers)]


def reach_of(stack: str, layers: int) -> int:
    """How far a stack of stride 1 sees to each side, or back."""
    return sum(_dilations(stack, layers))


def _channels(features: nn.Sequential) -> int:
    first = features[0]
    assert isinstance(first, nn.Conv1d | nn.Conv2d), "stacks begin with one"
    return first.out_channels


def output_shape(graph: Graph) -> tuple[int, ...]:
    """That of the only output, without the batch."""
    shape = graph.by_name[graph.outputs[0]].shape
    assert shape is not None, "stacks give a tensor"
    return tuple(int(size) for size in shape[1:])


def computed_field(graph: Graph) -> int:
    """The side of the field of one place of the output, in places of the input."""
    field = receptive_field(graph).nodes[graph.outputs[0]]
    assert isinstance(field, tuple), "convolutions have one"
    return field[-1].size


def _of_place(upstream: Tensor, *, last: bool) -> Tensor:
    """The part (N, C) of a gradient (N, C, T) at its last step, or of one (N, C, H, W) at its center: a view."""
    return upstream[..., -1] if last else upstream[..., upstream.shape[2] // 2, upstream.shape[3] // 2]


def measured_span(graph: Graph, inputs: Tensor, *, last: bool) -> int:
    """The span, along the last axis, of the inputs with a gradient of the output's center, or of its last step."""
    upstream = torch.zeros(len(inputs), *output_shape(graph), dtype=inputs.dtype)
    _of_place(upstream, last=last).fill_(1)
    gradient = backpropagate(graph, inputs, upstream=upstream).inputs[0]
    assert gradient is not None, "the input leads to the output"
    seen = (gradient != 0).flatten(0, -2).any(0).nonzero()
    return int(seen.max() - seen.min()) + 1


def profile_of(graph: Graph, inputs: Tensor, *, last: bool = False) -> list[float]:
    """The squared gradient of the output's center, or of its last step, by column of the input, as shares.

    Summed over inputs, channels and rows, for a random upstream gradient: in the mean that is the sum over all features
    of that place (Luo et al., arXiv:1701.04128, section 3, where the gradient is not squared).
    """
    upstream = torch.zeros(len(inputs), *output_shape(graph))
    place = _of_place(upstream, last=last)
    place.copy_(torch.randn(place.shape))
    gradient = backpropagate(graph, inputs, upstream=upstream).inputs[0]
    assert gradient is not None, "the input leads to the output"
    squares = gradient.double().square().flatten(0, -2).sum(0)
    shares: list[float] = (squares / squares.sum()).tolist()
    return shares


def spread_of(shares: Sequence[float]) -> float:
    """The standard deviation σ of the column, in pixels."""
    columns = np.arange(len(shares))
    mean = np.average(columns, weights=shares)
    return float(np.sqrt(np.average((columns - mean) ** 2, weights=shares)))


def spread_in_theory(stack: str, layers: int) -> float:
    """σ at random weights of one variance: the columns of the taps are independent from layer to layer, so that their
    variances, d² (k² - 1) / 12 of k taps that stand d apart, add up; strides set taps apart as dilations do."""
    taps = 2 if stack in CAUSAL else 3
    apart = [2**layer for layer in range(layers)] if stack == "strided" else _dilations(stack, layers)
    return math.sqrt(sum(d**2 for d in apart) * (taps**2 - 1) / 12)
