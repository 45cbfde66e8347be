from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from convlens.graph.capture import capture
from convlens.graph.receptive_field import WHOLE_INPUT, Field, Unsupported, receptive_field
from tests.graph.nets import zoo_graph

PUBLISHED = {
    "alexnet": {"features.0": 11, "features.2": 19, "features.3": 51, "features.5": 67, "features.6": 99}
    | {"features.8": 131, "features.10": 163, "features.12": 195},
    "vgg16": {"features.4": 6, "features.9": 16, "features.16": 44, "features.23": 100, "features.30": 212},
    "resnet18": {"layer1": 43, "layer2": 99, "layer3": 211, "layer4": 435},
    "resnet50": {"layer1": 35, "layer2": 91, "layer3": 267, "layer4": 427},
    "densenet121": {f"features.denseblock{i + 1}": size for i, size in enumerate((59, 255, 1031, 2071))},
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_receptive_fields_are_the_published_ones(name: str) -> None:
    graph = zoo_graph(name)
    fields = receptive_field(graph)
    assert not fields.unsupported
    for path, size in PUBLISHED[name].items():
        last = [node.name for node in graph.operators if f"{node.module}.".startswith(f"{path}.")][-1]
        seen = fields.nodes[last]
        assert isinstance(seen, tuple)
        assert [axis.size for axis in seen] == [size, size]
    assert fields.last_feature_map is not None
    final = fields.nodes[fields.last_feature_map]
    assert isinstance(final, tuple)
    assert final[0].size == list(PUBLISHED[name].values())[-1]
    assert fields.nodes[graph.outputs[0]] == WHOLE_INPUT


def sizes_of(module: nn.Module, x: Tensor) -> tuple[Field, ...]:
    graph = capture(module, x)
    fields = receptive_field(graph)
    seen = fields.nodes[graph.outputs[0]]
    assert isinstance(seen, tuple), seen
    return seen


def test_dilated_convolutions_in_two_dimensions() -> None:
    """Yu & Koltun 2016, figure 1, and the context module of table 1."""
    for dilations, expected in (((1,), 3), ((1, 2), 7), ((1, 2, 4), 15), ((1, 1, 2, 4, 8, 16, 1), 67)):
        stack = nn.Sequential(*(nn.Conv2d(1, 1, 3, dilation=d, padding=d) for d in dilations))
        assert [axis.size for axis in sizes_of(stack, torch.zeros(2, 1, 80, 80))] == [expected, expected]


class CausalStack(nn.Module):
    """Dilated causal convolutions of kernel 2, padded on the left alone."""

    def __init__(self, stacks: int) -> None:
        super().__init__()
        dilations = [2**k for k in range(10)] * stacks
        self.layers = nn.ModuleList(nn.Conv1d(1, 1, 2, dilation=d) for d in dilations)

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = x + torch.tanh(layer(nn.functional.pad(x, (layer.dilation[0], 0))))
        return x


@pytest.mark.parametrize("stacks", [1, 2, 3])
def test_causal_stacks_see_the_past_only(stacks: int) -> None:
    (axis,) = sizes_of(CausalStack(stacks), torch.zeros(2, 1, 50))
    assert axis == Field(size=1023 * stacks + 1, stride=1, offset=-1023 * stacks)


class UnequalStrides(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fine = nn.Conv2d(1, 1, 3, padding=1)
        self.coarse = nn.Conv2d(1, 1, 2, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        return self.fine(x)[:, :, :4, :4] + self.coarse(x)


def test_what_cannot_be_told_says_why() -> None:
    graph = capture(UnequalStrides(), torch.zeros(2, 1, 8, 8))
    seen = receptive_field(graph).nodes[graph.outputs[0]]
    assert seen == Unsupported("branches of different strides meet")


def test_the_last_feature_map_of_lenet_is_s4() -> None:
    """C5, a convolution over all of S4, leaves one place."""
    graph = zoo_graph("lenet5")
    name = receptive_field(graph).last_feature_map
    assert name is not None
    assert graph.by_name[name].shape == ("batch", 16, 5, 5)


class Reshaped(nn.Module):
    """A convolution of a value in another shape."""

    def __init__(self, reshape: Callable[[Tensor], Tensor], convolution: nn.Module) -> None:
        super().__init__()
        self.reshape = reshape
        self.convolution = convolution

    def forward(self, x: Tensor) -> Tensor:
        return self.convolution(self.reshape(x))  # type: ignore[no-any-return]


def test_axes_that_are_channels_have_no_field() -> None:
    """A third axis before height and width, which a 3-D kernel runs along, is still one of channels."""
    added = Reshaped(lambda x: x.unsqueeze(1), nn.Conv3d(1, 1, (2, 3, 5)))
    assert [axis.size for axis in sizes_of(added, torch.zeros(2, 4, 8, 8))] == [3, 5]
    over_time = Reshaped(lambda x: x.unsqueeze(1), nn.Conv2d(1, 1, (2, 3)))
    assert [axis.size for axis in sizes_of(over_time, torch.zeros(2, 4, 8))] == [3]
    grouped = Reshaped(lambda x: x.flatten(0, 1), nn.Conv2d(8, 1, 3))
    graph = capture(grouped, torch.zeros(2, 4, 8, 8), free_batch=False)
    field = receptive_field(graph).nodes[graph.outputs[0]]
    assert isinstance(field, tuple)
    assert [axis.size for axis in field] == [3, 3]


def test_local_response_normalisation_sees_the_same_place_of_other_channels() -> None:
    stack = nn.Sequential(nn.Conv2d(3, 4, 3, stride=2), nn.LocalResponseNorm(3), nn.Conv2d(4, 2, 3))
    assert [axis.size for axis in sizes_of(stack, torch.zeros(2, 3, 12, 12))] == [7, 7]


def test_spatial_axes_that_become_channels_cannot_be_told() -> None:
    rows = Reshaped(lambda x: x.flatten(1, 2), nn.Conv1d(24, 1, 3))
    graph = capture(rows, torch.zeros(2, 3, 8, 8))
    seen = receptive_field(graph).nodes[graph.outputs[0]]
    assert isinstance(seen, Unsupported)
    assert "flatten.using_ints (outermost module): it keeps 1 of the 2 spatial axes apart" in seen.reason


layers = st.tuples(st.integers(1, 4), st.integers(1, 2), st.integers(0, 2), st.integers(1, 3))
"""Kernel, stride, padding, dilation."""


class RandomBranches(nn.Module):
    """Two branches of convolutions (and a pooling) with positive weights, padded alike so that they can be added."""

    def __init__(self, first: list[tuple[int, int, int, int]], second: list[tuple[int, int, int, int]]) -> None:
        super().__init__()
        self.branches = nn.ModuleList(nn.Sequential(*(self._layer(*layer) for layer in b)) for b in (first, second))

    @staticmethod
    def _layer(kernel: int, stride: int, padding: int, dilation: int) -> nn.Module:
        layer = nn.Conv2d(1, 1, kernel, stride, padding, dilation)
        nn.init.constant_(layer.weight, 0.5)
        return layer

    def forward(self, x: Tensor) -> Tensor:
        a, b = (branch(x) for branch in self.branches)
        height, width = min(a.shape[2], b.shape[2]), min(a.shape[3], b.shape[3])
        return torch.cat([a[:, :, :height, :width], b[:, :, :height, :width]], 1).sum(1, keepdim=True)


@settings(max_examples=25, deadline=None, derandomize=True)
@given(data=st.data(), first=st.lists(layers, min_size=1, max_size=3))
def test_non_zero_input_gradients_span_exactly_the_field(
    data: st.DataObject, first: list[tuple[int, int, int, int]]
) -> None:
    second = [
        (data.draw(st.integers(1, 3)), stride, data.draw(st.integers(0, 1)), data.draw(st.integers(1, 2)))
        for _, stride, _, _ in first
    ]
    module = RandomBranches(first, second).double()
    x = torch.ones(2, 1, 72, 72, dtype=torch.float64, requires_grad=True)
    y = module(x)
    row, column = y.shape[2] // 2, y.shape[3] // 2
    y[0, 0, row, column].backward()
    assert x.grad is not None
    touched = x.grad[0, 0].nonzero()
    rows, columns = sizes_of(module, x.detach())
    for axis, place, seen in ((rows, row, touched[:, 0]), (columns, column, touched[:, 1])):
        start = axis.offset + axis.stride * place
        assert (int(seen.min()), int(seen.max())) == (start, start + axis.size - 1)
