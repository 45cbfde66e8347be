import pytest
import torch
import torch.nn.functional as F
from torch import nn

from convlens.layers.residual_span import PaddedIdentity, PreActivationBlock, ResidualBlock
from tests.layers.test_residual import normalized, with_running_statistics


def test_the_padded_identity_keeps_one_pixel_in_four_between_new_channels():
    x = torch.randn(2, 4, 5, 6)
    y = PaddedIdentity(4, 8, stride=2)(x)
    assert torch.equal(y[:, 2:6], x[:, :, ::2, ::2])
    assert not y[:, :2].any()
    assert not y[:, 6:].any()


@pytest.mark.parametrize(("option", "shortcut"), [("A", PaddedIdentity), ("B", nn.Sequential), ("C", nn.Sequential)])
def test_options_where_the_size_changes(option, shortcut):
    block = ResidualBlock(4, 8, 8, 2, (3, 3), option)
    assert type(block.shortcut) is shortcut
    assert block(torch.randn(2, 4, 7, 6)).shape == (2, 8, 4, 3)


@pytest.mark.parametrize(
    ("option", "shortcut"), [("A", nn.Identity), ("B", nn.Identity), ("C", nn.Sequential), (None, type(None))]
)
def test_options_where_the_size_stays(option, shortcut):
    assert type(ResidualBlock(4, 4, 4, 1, (3, 3), option).shortcut) is shortcut


@pytest.mark.parametrize("span", [1, 2, 3])
def test_a_block_is_the_sum_of_its_chain_and_x(span):
    torch.manual_seed(0)
    block = with_running_statistics(ResidualBlock(4, 4, 4, 1, (3,) * span, "A"))
    x = torch.randn(2, 4, 5, 7)
    y = x
    for i in range(1, span + 1):
        y = normalized(F.conv2d(y, block.get_submodule(f"conv{i}").weight, padding=1), block.get_submodule(f"bn{i}"))
        y = torch.relu(y) if i < span else y
    torch.testing.assert_close(block(x), torch.relu(y + x))


def test_a_plain_block_adds_nothing():
    torch.manual_seed(0)
    plain, residual = (with_running_statistics(ResidualBlock(4, 4, 4, 1, (3,), option)) for option in (None, "A"))
    plain.load_state_dict(residual.state_dict())
    x = torch.randn(2, 4, 5, 7)
    chain = normalized(F.conv2d(x, plain.conv1.weight, padding=1), plain.bn1)
    torch.testing.assert_close(plain(x), torch.relu(chain))
    torch.testing.assert_close(residual(x), torch.relu(chain + x))


@pytest.mark.parametrize("first", [False, True])
def test_pre_activation(first):
    torch.manual_seed(0)
    block = with_running_statistics(PreActivationBlock(4, 2, 4, 1, (1, 3, 1), "A", first=first))
    x = torch.randn(2, 4, 5, 7)
    activated = torch.relu(normalized(x, block.bn1))
    y = F.conv2d(activated, block.conv1.weight)
    y = F.conv2d(torch.relu(normalized(y, block.bn2)), block.conv2.weight, padding=1)
    y = F.conv2d(torch.relu(normalized(y, block.bn3)), block.conv3.weight)
    torch.testing.assert_close(block(x), y + (activated if first else x))


@pytest.mark.parametrize(
    "block", [ResidualBlock(4, 4, 4, 1, (3,), "A"), PreActivationBlock(4, 4, 4, 1, (3,), "A", first=True)]
)
def test_the_input_is_left_as_it_was(block):
    x = torch.randn(2, 4, 5, 5)
    before = x.clone()
    block(x)
    assert torch.equal(x, before)
