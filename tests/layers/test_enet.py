import pytest
import torch
import torch.nn.functional as F

from convlens.layers.enet import Bottleneck, Initial, asymmetric, dilated, regular


@pytest.mark.parametrize("middle", [regular, asymmetric, dilated(4)])
def test_a_bottleneck_adds_to_what_it_reads(middle):
    torch.manual_seed(0)
    block = Bottleneck(16, 16, middle, dropout=0.1).eval()
    x = torch.randn(2, 16, 9, 7)
    torch.testing.assert_close(block(x), F.prelu(x + block.branch(x), block.activation.weight))


def test_downsampling_pools_and_fills_up_with_zeros():
    torch.manual_seed(0)
    block = Bottleneck(8, 16, regular, dropout=0.1, downsampling=True).eval()
    with torch.no_grad():
        block.branch[7].weight.zero_()
    x = torch.rand(2, 8, 9, 8)
    y = block(x)
    assert torch.equal(y[:, :8], F.max_pool2d(x, 2))
    assert torch.equal(y[:, 8:], torch.zeros(2, 8, 4, 4))


@pytest.mark.parametrize("size", [7, 8])
def test_the_initial_block_keeps_the_colors_behind_its_filters(size):
    block = Initial().eval()
    with torch.no_grad():
        block.norm.eps = 0.0
    x = torch.rand(1, 3, size, size)
    y = block(x)
    assert y.shape == (1, 16, 4, 4)
    torch.testing.assert_close(y[:, 13:], F.max_pool2d(x, 2, ceil_mode=True))


def test_spatial_dropout_drops_whole_maps():
    torch.manual_seed(0)
    block = Bottleneck(64, 64, regular, dropout=0.5)
    y = block.branch[8](torch.ones(1, 64, 3, 3))[0]
    assert {tuple(channel.unique().tolist()) for channel in y} == {(0.0,), (2.0,)}
