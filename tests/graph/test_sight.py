"""Receptive fields through axes in any order and shape, held to the mask of non-zero input gradients."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from convlens.graph.capture import capture
from convlens.graph.receptive_field import WHOLE_INPUT, Field, ReceptiveField, Unsupported, receptive_field


class Positive(nn.Module):
    """A module with positive weights and no normalization by chance: what is seen has a gradient that is not zero."""

    def positive(self) -> "Positive":
        for number, parameter in enumerate(self.parameters()):
            torch.manual_seed(number)
            nn.init.uniform_(parameter, 0.5, 1)
        return self.double()


class ChannelsLastBlock(Positive):
    """The block of ConvNeXt: a depthwise convolution, then layers over the last axis."""

    def __init__(self, kernel: int, dilation: int, way: str) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(4, 4, kernel, padding="same", dilation=dilation, groups=4)
        self.norm = nn.LayerNorm(4)
        self.expand, self.project = nn.Linear(4, 8), nn.Linear(8, 4)
        self.way = way

    def forward(self, x: Tensor) -> Tensor:
        y = self.depthwise(x)
        y = (
            y.movedim(1, -1)
            if self.way == "movedim"
            else y.flatten(2).mT
            if self.way == "tokens"
            else y.permute(0, 2, 3, 1)
        )
        y = self.project(nn.functional.softplus(self.expand(self.norm(y))))
        if self.way == "tokens":
            return x + y.transpose(1, 2).reshape(x.shape)
        return x + (y.permute(0, 3, 1, 2) if self.way == "permute" else y.movedim(-1, 1))


class ChannelsLast(Positive):
    """A stem of patches, blocks, and a downsampling between them, as in ConvNeXt."""

    def __init__(self, patch: int, blocks: list[tuple[int, int, str]]) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 4, patch, patch)
        self.blocks = nn.ModuleList(ChannelsLastBlock(*block) for block in blocks)
        self.downsample = nn.Conv2d(4, 4, 2, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        for block in self.blocks:
            x = self.downsample(block(x))
        return x


def field_of(module: nn.Module, x: Tensor) -> ReceptiveField:
    graph = capture(module, x)
    return receptive_field(graph).nodes[graph.outputs[0]]


def held_to_gradients(module: nn.Module, side: int) -> None:
    """The pixels that places of a map (N, C, H, W) have gradients for are those of its field, cut to the image."""
    x = torch.rand(2, 3, side, side, dtype=torch.float64, requires_grad=True)
    y = module(x)
    field = field_of(module, x.detach())
    assert isinstance(field, tuple), field
    for row, column in ((0, 0), (y.shape[2] // 2, y.shape[3] // 2), (y.shape[2] - 1, 0)):
        (gradient,) = torch.autograd.grad(y[0, 0, row, column], x, retain_graph=True)
        touched = gradient[0].abs().sum(0).nonzero()
        for axis, place, pixels in ((field[0], row, touched[:, 0]), (field[1], column, touched[:, 1])):
            start = axis.offset + axis.stride * place
            expected = (max(start, 0), min(start + axis.size, side) - 1)
            assert (int(pixels.min()), int(pixels.max())) == expected


blocks = st.tuples(st.sampled_from([3, 5, 7]), st.integers(1, 2), st.sampled_from(["permute", "movedim", "tokens"]))


@settings(max_examples=25, deadline=None, derandomize=True)
@given(patch=st.sampled_from([1, 2, 4]), drawn=st.lists(blocks, min_size=1, max_size=2))
def test_channels_last_blocks_see_what_has_an_input_gradient(patch: int, drawn: list[tuple[int, int, str]]) -> None:
    held_to_gradients(ChannelsLast(patch, drawn).positive(), 4 * patch * 8)


class Tokens(Positive):
    """Patches as tokens, then windows of tokens that are brought back to a map, as Swin does without its attention."""

    def __init__(self, window: int) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, 4, 2, 2)
        self.mlp = nn.Linear(4, 4)
        self.window = window

    def forward(self, x: Tensor) -> Tensor:
        y = self.patches(x).permute(0, 2, 3, 1)
        n, h, w, c = y.shape
        side = self.window
        y = y.view(n, h // side, side, w // side, side, c).permute(0, 1, 3, 2, 4, 5)
        y = self.mlp(y.reshape(-1, side * side, c))
        y = y.view(n, h // side, w // side, side, side, c).permute(0, 1, 3, 2, 4, 5)
        return y.reshape(n, h, w, c).permute(0, 3, 1, 2)


@pytest.mark.parametrize("window", [2, 4])
def test_windows_that_are_cut_out_and_brought_back_are_followed(window: int) -> None:
    module = Tokens(window).positive()
    assert field_of(module, torch.rand(2, 3, 16, 16).double()) == (Field(size=2, stride=2, offset=0),) * 2
    held_to_gradients(module, 16)


class Attention(Positive):
    """Patches, a class token if there is one, and attention of two heads over all tokens, fused or written out."""

    def __init__(self, *, fused: bool, class_token: bool) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, 32, 4, 4)
        self.token = nn.Parameter(torch.ones(1, 1, 32)) if class_token else None
        self.norm, self.qkv = nn.LayerNorm(32), nn.Linear(32, 96)
        self.fused = fused

    def forward(self, x: Tensor) -> Tensor:
        y = self.patches(x).flatten(2).transpose(1, 2)
        if self.token is not None:
            y = torch.cat([self.token.expand(y.shape[0], -1, -1), y], 1)
        n, tokens, width = y.shape
        qkv = self.qkv(self.norm(y)).reshape(n, tokens, 3, 2, width // 2).permute(2, 0, 3, 1, 4)
        q, k, v = qkv.unbind(0)
        if self.fused:
            z = nn.functional.scaled_dot_product_attention(q, k, v)
        else:
            z = (q @ k.transpose(-2, -1)).softmax(-1) @ v
        return y + z.transpose(1, 2).reshape(n, tokens, width)


@pytest.mark.parametrize("fused", [False, True])
@pytest.mark.parametrize("class_token", [False, True])
def test_attention_over_all_tokens_sees_the_whole_input(fused: bool, class_token: bool) -> None:
    graph = capture(Attention(fused=fused, class_token=class_token), torch.rand(5, 3, 16, 16))
    fields = receptive_field(graph)
    assert fields.nodes[graph.outputs[0]] == WHOLE_INPUT
    tokens = next(node.name for node in graph.operators if node.operator == "aten.transpose.int")
    assert fields.nodes[tokens] == (Field(size=4, stride=4, offset=0),) * 2


class WindowAttention(nn.Module):
    """Attention within windows of 2 x 2 patches, which are brought back to a map."""

    def forward(self, x: Tensor) -> Tensor:
        y = nn.functional.avg_pool2d(x, 2)
        n, c, h, w = y.shape
        y = y.view(n, c, h // 2, 2, w // 2, 2).permute(0, 2, 4, 3, 5, 1).reshape(-1, 4, c)
        y = nn.functional.scaled_dot_product_attention(y, y, y)
        return y.view(n, h // 2, w // 2, 2, 2, c).permute(0, 5, 1, 3, 2, 4).reshape(n, c, h, w)


def test_attention_within_windows_says_that_neighbors_see_the_same() -> None:
    seen = field_of(WindowAttention(), torch.rand(2, 3, 16, 16))
    assert seen == Unsupported("neighboring places see the same, such as those of one window of attention")


class Selected(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.avg_pool2d(x, 2)[:, :, 3]


def test_one_place_of_an_axis_sees_its_pixels_alone() -> None:
    seen = field_of(Selected(), torch.rand(2, 3, 16, 16))
    assert seen == (Field(size=2, stride=0, offset=6), Field(size=2, stride=2, offset=0))


class Shifted(nn.Module):
    def __init__(self, pooled: bool) -> None:
        super().__init__()
        self.pooled = pooled

    def forward(self, x: Tensor) -> Tensor:
        y = torch.roll(nn.functional.avg_pool2d(x, 2), (1, 1), (2, 3))
        return y.mean((2, 3)) if self.pooled else y


def test_a_circular_shift_cannot_be_told_and_its_mean_sees_all() -> None:
    seen = field_of(Shifted(False), torch.rand(2, 3, 16, 16))
    assert isinstance(seen, Unsupported)
    assert seen.reason == "aten.roll.default (outermost module): a circular shift brings the far edge to the near one"
    assert field_of(Shifted(True), torch.rand(2, 3, 16, 16)) == WHOLE_INPUT
