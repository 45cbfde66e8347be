import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from convlens.layers.residual import BasicBlock, Bottleneck, PaperBottleneck, shortcut


def with_running_statistics(block: nn.Module) -> nn.Module:
    """The block in eval mode, with batch normalizations that are no identities."""
    for layer in block.modules():
        if isinstance(layer, nn.BatchNorm2d):
            nn.init.uniform_(layer.weight, 0.5, 1.5)
            nn.init.normal_(layer.bias)
            layer.running_mean = torch.randn_like(layer.bias)
            layer.running_var = torch.rand_like(layer.bias) + 0.5
    return block.eval()


def normalized(x: Tensor, norm: nn.BatchNorm2d) -> Tensor:
    mean, var, weight, bias = (
        values.reshape(1, -1, 1, 1) for values in (norm.running_mean, norm.running_var, norm.weight, norm.bias)
    )
    return (x - mean) / torch.sqrt(var + norm.eps) * weight + bias


def test_basic_block_is_the_sum_of_its_residual_and_x():
    torch.manual_seed(0)
    block = with_running_statistics(BasicBlock(4, 4))
    x = torch.randn(2, 4, 5, 7)
    hidden = torch.relu(normalized(F.conv2d(x, block.conv1.weight, padding=1), block.bn1))
    residual = normalized(F.conv2d(hidden, block.conv2.weight, padding=1), block.bn2)
    torch.testing.assert_close(block(x), torch.relu(residual + x))


def test_basic_block_with_a_projection():
    torch.manual_seed(0)
    block = with_running_statistics(BasicBlock(4, 6, stride=2))
    x = torch.randn(2, 4, 7, 8)
    hidden = torch.relu(normalized(F.conv2d(x, block.conv1.weight, stride=2, padding=1), block.bn1))
    residual = normalized(F.conv2d(hidden, block.conv2.weight, padding=1), block.bn2)
    convolution, norm = block.downsample
    projected = normalized(F.conv2d(x, convolution.weight, stride=2), norm)
    torch.testing.assert_close(block(x), torch.relu(residual + projected))


@pytest.mark.parametrize("block", [BasicBlock(4, 4), Bottleneck(16, 4)])
def test_the_input_is_left_as_it_was(block):
    x = torch.randn(2, block.conv1.in_channels, 5, 5)
    before = x.clone()
    block(x)
    assert torch.equal(x, before)


def test_a_bottleneck_widens_four_times_and_strides_on_its_3x3():
    block = Bottleneck(16, 8, stride=2)
    assert block(torch.randn(2, 16, 9, 8)).shape == (2, 32, 5, 4)
    assert [layer.stride for layer in (block.conv1, block.conv2, block.conv3)] == [(1, 1), (2, 2), (1, 1)]


def test_no_projection_where_the_identity_fits():
    assert shortcut(8, 8, stride=1) is None
    assert shortcut(8, 8, stride=1, average_pooling=True) is None
    assert shortcut(8, 16, stride=1) is not None
    assert shortcut(8, 8, stride=2) is not None


@pytest.mark.parametrize("size", [1, 6, 7])
def test_pooled_shortcut_averages_what_is_there(size):
    x = torch.ones(1, 2, size, size)
    project = shortcut(2, 3, stride=2, average_pooling=True)
    assert project is not None
    pooled = project[0](x)
    assert torch.equal(pooled, torch.ones(1, 2, -(-size // 2), -(-size // 2)))
    assert project[1].stride == (1, 1)


def test_the_papers_bottleneck_strides_on_its_first_1x1():
    block = PaperBottleneck(16, 8, stride=2)
    assert block(torch.randn(2, 16, 9, 8)).shape == (2, 32, 5, 4)
    assert [layer.stride for layer in (block.conv1, block.conv2, block.conv3)] == [(2, 2), (1, 1), (1, 1)]
