import torch

from convlens.layers.dense import DenseBlock, DenseLayer, PlainDenseLayer, Transition


def test_a_dense_layer_keeps_x_and_puts_the_growth_behind_it():
    layer = DenseLayer(6, growth_rate=4)
    x = torch.randn(2, 6, 5, 5)
    y = layer(x)
    assert y.shape == (2, 10, 5, 5)
    assert torch.equal(y[:, :6], x)
    new = layer.conv2(torch.relu(layer.norm2(layer.conv1(torch.relu(layer.norm1(x))))))
    torch.testing.assert_close(y[:, 6:], new)


def test_a_plain_dense_layer_has_no_bottleneck():
    layer = PlainDenseLayer(6, growth_rate=4)
    x = torch.randn(2, 6, 5, 5)
    y = layer(x)
    assert torch.equal(y[:, :6], x)
    torch.testing.assert_close(y[:, 6:], layer.conv1(torch.relu(layer.norm1(x))))
    block = DenseBlock(6, growth_rate=4, depth=2, bottleneck=None)
    assert [layer.conv1.kernel_size for layer in block] == [(3, 3), (3, 3)]
    assert block(x).shape == (2, 14, 5, 5)


def test_every_layer_of_a_block_sees_all_before_it():
    block = DenseBlock(6, growth_rate=4, depth=3)
    assert [name for name, _ in block.named_children()] == ["denselayer1", "denselayer2", "denselayer3"]
    assert [layer.norm1.num_features for layer in block] == [6, 10, 14]
    assert block(torch.randn(2, 6, 5, 5)).shape == (2, 18, 5, 5)


def test_a_transition_compresses_and_halves():
    assert Transition(12, 6)(torch.randn(2, 12, 8, 6)).shape == (2, 6, 4, 3)
