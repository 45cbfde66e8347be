from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from convlens.graph.capture import capture
from convlens.graph.receptive_field import WHOLE_INPUT, Field, Unsupported, receptive_field
from convlens.layers.same_padding import SameConv2d
from convlens.zoo import blueprint
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


@pytest.mark.parametrize("indices", [False, True], ids=["maxima", "with indices"])
@pytest.mark.parametrize("pooling", [nn.MaxPool2d(3, 2, 1), nn.AdaptiveMaxPool2d((4, 5))], ids=["windows", "adaptive"])
def test_poolings_that_also_give_places_see_what_others_see(pooling: nn.Module, indices: bool) -> None:
    class Pooled(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(1, 1, 3, padding=1)

        def forward(self, x: Tensor) -> Tensor:
            pooling.return_indices = indices
            y = pooling(self.conv(x))
            return y[0] if indices else y  # type: ignore[no-any-return]

    rows, columns = sizes_of(Pooled(), torch.zeros(2, 1, 8, 10))
    assert rows == columns
    assert rows == (
        Field(size=5, stride=2, offset=-2) if isinstance(pooling, nn.MaxPool2d) else Field(size=4, stride=2, offset=-1)
    )


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
    assert seen == Unsupported("aten.add.Tensor (outermost module): branches of different strides meet")


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


def test_local_response_normalization_sees_the_same_place_of_other_channels() -> None:
    stack = nn.Sequential(nn.Conv2d(3, 4, 3, stride=2), nn.LocalResponseNorm(3), nn.Conv2d(4, 2, 3))
    assert [axis.size for axis in sizes_of(stack, torch.zeros(2, 3, 12, 12))] == [7, 7]


def test_spatial_axes_that_become_channels_are_seen_whole() -> None:
    rows = Reshaped(lambda x: x.flatten(1, 2), nn.Conv1d(24, 1, 3))
    assert sizes_of(rows, torch.zeros(2, 3, 8, 8)) == (
        Field(size=8, stride=0, offset=0),
        Field(size=3, stride=1, offset=0),
    )


class RandomBroadcasts(nn.Module):
    """Convolutions with positive weights; on the way, axes that a strip or a column of one place is added along.

    `repeated` has two entries for each of the layers: is that axis cut to one place, which is then added everywhere?
    """

    def __init__(self, kernels: list[tuple[int, int]], repeated: list[tuple[bool, bool]], first: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Conv2d(1, 1, kernel, stride) for kernel, stride in kernels)
        self.repeated = repeated
        self.first = first
        for layer in self.layers:
            assert isinstance(layer, nn.Conv2d)
            nn.init.constant_(layer.weight, 0.5)

    def forward(self, x: Tensor) -> Tensor:
        for layer, (row, column) in zip(self.layers, self.repeated, strict=True):
            x = layer(x)
            strip = x[:, :, self.first :][:, :, :1] if row else x
            x = x + (strip[:, :, :, self.first :][:, :, :, :1] if column else strip)
        return x


def broadcasts_see_all(num_cases: int) -> None:
    kernels = st.tuples(st.integers(1, 3), st.integers(1, 2))
    flags = st.tuples(st.booleans(), st.booleans())

    @settings(max_examples=num_cases, deadline=None, derandomize=True, database=None)
    @given(drawn=st.lists(st.tuples(kernels, flags), min_size=1, max_size=3), first=st.integers(0, 2))
    def holds(drawn: list[tuple[tuple[int, int], tuple[bool, bool]]], first: int) -> None:
        module = RandomBroadcasts([kernel for kernel, _ in drawn], [flag for _, flag in drawn], first).double()
        x = torch.ones(2, 1, 40, 40, dtype=torch.float64, requires_grad=True)
        y = module(x)
        axes = sizes_of(module, x.detach())
        seen_by = [
            [torch.autograd.grad(y[0, 0, i, j], x, retain_graph=True)[0][0, 0].nonzero() for j in (0, y.shape[3] - 1)]
            for i in (0, y.shape[2] - 1)
        ]
        for number, axis in enumerate(axes):
            for end in (0, 1):
                pixels = torch.cat([seen_by[i][j][:, number] for i in (0, 1) for j in (0, 1) if (i, j)[number] == end])
                start = axis.offset + axis.stride * end * (y.shape[2 + number] - 1)
                slack = int(pixels.min()) - start, start + axis.size - 1 - int(pixels.max())
                # A hull over all places holds what single ones see, and no more than strides may leave out at the end.
                assert slack == (0, 0) if axis.stride else min(slack) >= 0, slack
            if not axis.stride:
                pixels = torch.cat([seen[:, number] for row in seen_by for seen in row])
                assert int(pixels.min()) == axis.offset
                assert 0 <= axis.offset + axis.size - 1 - int(pixels.max()) < 2 ** len(drawn)

    holds()


def test_an_axis_of_one_place_that_is_broadcast_is_seen_from_every_place() -> None:
    broadcasts_see_all(50)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_thousand_broadcasts_are_seen_from_every_place() -> None:
    broadcasts_see_all(1000)


class Gate(nn.Module):
    """A map times a column and a row of itself, in one of the ways to write it."""

    def __init__(self, way: str) -> None:
        super().__init__()
        self.way = way
        self.across = nn.Conv2d(1, 1, (1, 9))
        self.register_buffer("ones", torch.ones(1, 1, 1, 9))

    def forward(self, x: Tensor) -> Tensor:
        column = self.across(x)
        match self.way:
            case "mul":
                return x * column.sigmoid()
            case "buffer":
                return column * self.ones
            case "expand_as":
                return column.expand_as(x)
            case "broadcast_tensors":
                a, b = torch.broadcast_tensors(x, column)  # type: ignore[no-untyped-call]
                return a + b
        return torch.maximum(column, x)


@pytest.mark.parametrize("way", ["mul", "buffer", "expand_as", "broadcast_tensors", "maximum"])
def test_each_way_to_broadcast_an_axis_is_seen(way: str) -> None:
    rows, columns = sizes_of(Gate(way), torch.zeros(2, 1, 7, 9))
    assert rows == Field(size=1, stride=1, offset=0)
    assert columns == Field(size=9, stride=0, offset=0)


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


@settings(max_examples=25, deadline=None, derandomize=True)
@given(
    layers=st.lists(st.tuples(st.integers(1, 5), st.integers(1, 3)), min_size=1, max_size=4),
    size=st.integers(60, 72),
)
def test_padding_on_one_side_alone_moves_the_field(layers: list[tuple[int, int]], size: int) -> None:
    module = nn.Sequential(*(SameConv2d(1, 1, kernel, stride=stride) for kernel, stride in layers)).double()
    for weight in module.parameters():
        nn.init.constant_(weight, 0.5)
    assert_gradients_span(module, size)


def test_the_field_of_efficientnet_lite_is_the_mask_of_its_input_gradients() -> None:
    """At the card's size every stride but the first pads on one side alone."""
    module = blueprint("efficientnet_lite0", 1).to_empty(device="cpu").double().eval()
    module = nn.Sequential(module._conv_stem, *module._blocks[:5])  # type: ignore[index]
    for layer in module.modules():
        if isinstance(layer, SameConv2d):
            nn.init.constant_(layer.weight, 1 / layer.weight[0].numel())
        elif isinstance(layer, nn.BatchNorm2d):
            layer.reset_parameters()
    assert_gradients_span(module, 224, channels=3)


def assert_gradients_span(module: nn.Module, size: int, channels: int = 1) -> None:
    """Of a place in the middle, whose field lies within the input."""
    x = torch.ones(2, channels, size, size, dtype=torch.float64, requires_grad=True)
    y = module(x)
    place = y.shape[2] // 2
    y[0, 0, place, place].backward()
    assert x.grad is not None
    touched = x.grad[0].abs().sum(0).nonzero()
    for axis, seen in zip(sizes_of(module, x.detach()), touched.T, strict=True):
        start = axis.offset + axis.stride * place
        assert (int(seen.min()), int(seen.max())) == (max(start, 0), min(start + axis.size, size) - 1)


def test_what_depends_on_a_value_as_a_number_has_none_and_the_rest_has() -> None:
    class Scaled(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 2, 3)

        def forward(self, x: Tensor) -> Tensor:
            y = self.conv(x)
            return y * y.max().item()

    fields = receptive_field(capture(Scaled(), torch.ones(2, 3, 8, 8)))
    assert fields.nodes["conv2d"] == (Field(size=3, stride=1, offset=0),) * 2
    assert fields.last_feature_map == "conv2d"
    assert fields.unsupported["mul"] == "aten.mul.Tensor (outermost module): a size or a number in it depends on values"


def test_a_call_that_has_no_rule_is_named() -> None:
    class Outer(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.einsum("nchw,nchv,ncwv->nc", x, x, x)

    fields = receptive_field(capture(Outer(), torch.zeros(2, 3, 4, 4)))
    assert "aten.einsum has no rule for 'nchw,nchv,ncwv->nc' with 3 operands" in fields.unsupported["einsum"]
