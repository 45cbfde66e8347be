"""Writes into slices, views and chunks: captured as they run, with autograd's gradients."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from convlens.gradient import backpropagate, check_gradients
from convlens.graph.capture import capture
from convlens.graph.cost import cost
from convlens.graph.receptive_field import Field, receptive_field


class Convolved(nn.Module):
    """A convolution, and what a function makes of its output."""

    def __init__(self, then: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(3, 4, 3, padding=1)
        self.then = then

    def forward(self, x: Tensor) -> Tensor:
        return self.then(self.convolution(x))


def constant_into_slice(y: Tensor) -> Tensor:
    z = y.clone()
    z[:, :, 2:4] = 0
    return z * 2


def tensors_into_slices(y: Tensor) -> Tensor:
    z = torch.zeros_like(y)
    z[:, :2] = y[:, 2:]
    z[:, 2:] = y[:, :2] * 3
    return z


def shift(y: Tensor) -> Tensor:
    z = torch.zeros_like(y)
    z[:, :2, 1:] = y[:, :2, :-1]
    z[:, 2:] = y[:, 2:]
    return z


def windows_of_swin(y: Tensor) -> Tensor:
    mask = y.new_zeros((8, 8))
    number = 0
    for rows in ((0, -4), (-4, -2), (-2, None)):
        for columns in ((0, -4), (-4, -2), (-2, None)):
            mask[rows[0] : rows[1], columns[0] : columns[1]] = number
            number += 1
    return y + mask


def steps(y: Tensor) -> Tensor:
    z = y * 2
    z[:, :, ::2] += y[:, :, 1::2]
    return z


def places(y: Tensor) -> Tensor:
    z = y.clone()
    z[:, 1].fill_(3.0)
    z[:, 0].copy_(z[:, 2])
    z.select(2, 2).zero_()
    return z


def transposed(y: Tensor) -> Tensor:
    z = y.clone()
    z.transpose(1, 2)[:, 0] = 2.0
    z.permute(0, 2, 3, 1)[..., 1] += y[:, 2]
    z.movedim(1, 3).narrow(1, 2, 2).mul_(5)
    return z


def flattened(y: Tensor) -> Tensor:
    z = y.clone()
    z.view(*y.shape[:2], 64)[:, 0] = 1
    z.unsqueeze(1)[:, 0, 1].relu_()
    return z


def diagonal(y: Tensor) -> Tensor:
    z = y.clone()
    z.diagonal(0, 2, 3).mul_(2)
    return z


def by_index(y: Tensor) -> Tensor:
    z = y.clone()
    z[z < 0] = 0
    z[:, [0, 2]] = 5.0
    return z


def seen_by_views_of_before(y: Tensor) -> Tensor:
    z = y.clone()
    upper, row = z[:, :2], z[:, 0]
    z[:, :, 3] = 1
    upper.mul_(2)
    return torch.cat([z, upper, row[:, None]], 1)


def another_format(y: Tensor) -> Tensor:
    z = y.clone()
    z[:, 0] = y[:, 1].double()
    z[:, 1] = torch.ones(8, dtype=torch.long)
    return z


WRITES = [
    *(constant_into_slice, tensors_into_slices, shift, windows_of_swin, steps, places, transposed, flattened),
    *(diagonal, by_index, seen_by_views_of_before, another_format),
]


@pytest.mark.parametrize("write", WRITES)
def test_writes_are_captured_as_they_run_with_autograds_gradients(write: Callable[[Tensor], Tensor]) -> None:
    torch.manual_seed(0)
    module, x = Convolved(write).eval(), torch.randn(2, 3, 8, 8)
    graph = capture(module, x)  # which compares both
    found = check_gradients(graph, x)
    assert found.passed, str(found)
    assert cost(graph).unsupported == ()
    double, point = module.double(), x.double().requires_grad_()
    ours = check_gradients(capture(double, x.double()), x.double())
    assert ours.passed
    double(point).sum().backward()
    graph = capture(double, x.double())
    torch.testing.assert_close(backpropagate(graph, x.double()).inputs[0], point.grad)


def test_items_of_lists_are_written_back() -> None:
    """Of what needs no gradient: autograd itself refuses the others."""

    def forward(x: Tensor) -> Tensor:
        y = x * 2
        a, b = y.chunk(2, 1)
        a.mul_(3)
        b.add_(a)
        first, *_ = y.unbind(2)
        first.zero_()
        return y

    graph = capture(forward, torch.randn(2, 4, 3))
    assert {node.operator for node in graph.operators} >= {"aten.slice_scatter.default", "aten.select_scatter.default"}


def fields(write: Callable[[Tensor], Tensor]) -> object:
    graph = capture(Convolved(write).eval(), torch.randn(2, 3, 8, 8))
    return receptive_field(graph).nodes[graph.outputs[0]]


def test_receptive_fields_follow_writes() -> None:
    three = Field(size=3, stride=1, offset=-1)
    assert fields(constant_into_slice) == (three, three)
    assert fields(tensors_into_slices) == (three, three)
    assert fields(windows_of_swin) == (three, three)
    # Row i shows row i - 1 of the convolution in some channels, and row i in others.
    assert fields(shift) == (Field(size=4, stride=1, offset=-2), three)
