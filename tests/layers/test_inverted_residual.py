import torch
import torch.nn.functional as F

from convlens.layers.fire import Fire
from convlens.layers.inverted_residual import ConvNormReLU6, InvertedResidual


def test_x_is_added_where_the_shape_stays():
    torch.manual_seed(0)
    block = InvertedResidual(8, 8, stride=1, expansion=6).eval()
    x = torch.randn(2, 8, 5, 6)
    torch.testing.assert_close(block(x), x + block.conv(x))
    assert not InvertedResidual(8, 8, stride=2, expansion=6).adds_input
    assert not InvertedResidual(8, 12, stride=1, expansion=6).adds_input


def test_one_filter_for_each_channel_of_six_times_as_many():
    block = InvertedResidual(8, 12, stride=2, expansion=6)
    assert [layer.weight.shape for layer in (block.conv[0][0], block.conv[1][0], block.conv[2])] == [
        (48, 8, 1, 1),
        (48, 1, 3, 3),
        (12, 48, 1, 1),
    ]
    assert block(torch.randn(2, 8, 7, 8)).shape == (2, 12, 4, 4)


def test_without_expansion_there_is_no_first_convolution():
    assert len(InvertedResidual(8, 4, stride=1, expansion=1).conv) == 3


def test_the_rectifier_is_bounded_and_the_last_convolution_has_none():
    unit = ConvNormReLU6(2, 2, 1)
    assert unit[2](torch.tensor([-1.0, 3.0, 9.0])).tolist() == [0, 3, 6]
    torch.manual_seed(0)
    assert InvertedResidual(4, 8, stride=1, expansion=6)(torch.randn(2, 4, 5, 5)).min() < 0


def test_fire_squeezes_and_expands_in_two_ways():
    torch.manual_seed(0)
    fire = Fire(6, 2, 4)
    x = torch.randn(2, 6, 5, 5)
    squeezed = F.relu(fire.squeeze(x))
    expected = torch.cat((F.relu(fire.expand1x1(squeezed)), F.relu(fire.expand3x3(squeezed))), dim=1)
    torch.testing.assert_close(fire(x), expected)
