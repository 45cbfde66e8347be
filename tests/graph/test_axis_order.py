from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from convlens.graph.axis_order import AxisOrder, axis_orders
from convlens.graph.capture import capture

WEIGHT = torch.ones(4, 3, 1, 1)


def order_of(function: Callable[[Tensor], Tensor]) -> AxisOrder | None:
    graph = capture(function, torch.zeros(2, 3, 4, 5))
    return axis_orders(graph).get(graph.outputs[0])


@pytest.mark.parametrize(
    ("function", "order"),
    [
        (lambda x: x.permute(0, 2, 3, 1), (0, 2, 3, 1)),
        (lambda x: x.permute(0, 2, 3, 1).relu(), (0, 2, 3, 1)),
        (lambda x: x.permute(0, 2, 3, 1).permute(0, 3, 1, 2), (0, 1, 2, 3)),
        (lambda x: x.transpose(1, -1), (0, 3, 2, 1)),
        (lambda x: x.movedim(1, -1), (0, 2, 3, 1)),
        (lambda x: x.permute(0, 2, 3, 1) + torch.ones(3), (0, 2, 3, 1)),
        (lambda x: torch.cat(x.movedim(1, -1).chunk(2, 1), 1), (0, 2, 3, 1)),
        (lambda x: torch.nn.functional.linear(x.movedim(1, -1), torch.ones(6, 3)), (0, 2, 3, 1)),
        (lambda x: torch.conv2d(x.reshape(2, 3, 5, 4), WEIGHT), (0, 1, 2, 3)),
        (lambda x: x.reshape(2, 4, 5, 3), None),
        (lambda x: x + x.transpose(2, 3).reshape(2, 3, 4, 5), (0, 1, 2, 3)),
        (lambda x: x.flatten(2), None),
        (lambda x: x @ x.transpose(2, 3), None),
        (lambda x: x.mean((2, 3)), None),
    ],
)
def test_axis_orders(function: Callable[[Tensor], Tensor], order: AxisOrder | None) -> None:
    assert order_of(function) == order
