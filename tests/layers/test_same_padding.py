import pytest
import torch
import torch.nn.functional as F

from convlens.layers.same_padding import SameConv2d, same_padding


@pytest.mark.parametrize(
    ("size", "reach", "stride", "padding"),
    [
        (224, 3, 2, (0, 1)),
        (225, 3, 2, (1, 1)),
        (56, 5, 2, (1, 2)),
        (7, 5, 1, (2, 2)),
        (1, 5, 2, (2, 2)),
        (9, 1, 3, (0, 0)),
    ],
)
def test_the_odd_zero_stands_behind(size, reach, stride, padding):
    assert same_padding(size, reach, stride) == padding


@pytest.mark.parametrize("size", [(8, 8), (9, 8), (8, 7), (9, 9)])
def test_it_is_a_convolution_of_the_padded_input(size):
    torch.manual_seed(0)
    layer, x = SameConv2d(3, 4, 3, stride=2), torch.randn(2, 3, *size)
    behind = [1, 1]  # the last axis first, as F.pad has them
    before = [0 if side % 2 == 0 else 1 for side in reversed(size)]
    padded = F.pad(x, [before[0], behind[0], before[1], behind[1]])
    y = layer(x)
    assert y.shape[-2:] == tuple((side + 1) // 2 for side in size)
    torch.testing.assert_close(y, F.conv2d(padded, layer.weight, stride=2))


def test_groups():
    layer = SameConv2d(6, 6, 5, groups=6)
    assert layer.weight.shape == (6, 1, 5, 5)
    assert layer(torch.zeros(1, 6, 4, 5)).shape == (1, 6, 4, 5)
