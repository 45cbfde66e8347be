import torch

from convlens.layers.squeeze_excite import SqueezeExcite


def test_each_channel_is_scaled_by_a_gate_computed_from_all_means():
    torch.manual_seed(0)
    layer = SqueezeExcite(8, reduction=4)
    x = torch.randn(2, 8, 5, 3)
    hidden = torch.relu(x.mean((2, 3)) @ layer.fc1.weight.flatten(1).T + layer.fc1.bias)
    gates = torch.sigmoid(hidden @ layer.fc2.weight.flatten(1).T + layer.fc2.bias)
    torch.testing.assert_close(layer(x), x * gates[:, :, None, None])
