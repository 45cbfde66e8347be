"""The CIFAR DenseNets against the paper's numbers."""

import pytest
import torch

from convlens import zoo
from convlens.zoo.densenet_cifar import CifarDenseNet
from tests.zoo.inspected import inspected
from tests.zoo.learning import losses


def by_hand(num_layers: int, growth: int, first: int, bottleneck: bool) -> int:
    """Multiply-adds of a network for 32 x 32 pixels, layer by layer."""
    channels, places, total = first, 32 * 32, 32 * 32 * 3 * first * 9
    for block in range(3):
        for _ in range(num_layers):
            wide = 4 * growth if bottleneck else channels
            total += places * (channels * wide * bottleneck + wide * growth * 9)
            channels += growth
        if block < 2:
            kept = channels // 2 if bottleneck else channels
            total += places * channels * kept
            channels, places = kept, places // 4
    return total + channels * 10


@pytest.mark.parametrize(
    ("name", "parameters", "multiply_adds"),
    [
        ("densenet40_k12", 1_019_722, by_hand(12, 12, 16, bottleneck=False)),
        ("densenet_bc100_k12", 769_162, by_hand(16, 12, 24, bottleneck=True)),
    ],
)
def test_costs_are_the_published_ones(name: str, parameters: int, multiply_adds: int) -> None:
    record = inspected(name)
    assert (record.parameters, record.multiply_adds) == (parameters, multiply_adds)


@pytest.mark.parametrize(("name", "layers"), [("densenet40_k12", 12), ("densenet_bc100_k12", 16)])
def test_the_receptive_field_is_that_of_the_longest_path(name: str, layers: int) -> None:
    """3 of the first layer; each layer widens by 2 of its strides 1, 2, 4; the poolings by 1 and 2."""
    assert inspected(name).receptive_field == 3 + 2 * layers * (1 + 2 + 4) + 1 + 2


def test_names_are_those_of_the_large_ones() -> None:
    names = set(zoo.blueprint("densenet_bc100_k12").state_dict())
    assert {"features.conv0.weight", "features.denseblock3.denselayer16.conv2.weight", "classifier.bias"} <= names
    plain = zoo.blueprint("densenet40_k12").state_dict()
    assert plain["features.denseblock1.denselayer2.conv1.weight"].shape == (12, 28, 3, 3)
    assert plain["features.transition1.conv.weight"].shape == (160, 160, 1, 1)


@pytest.mark.parametrize("bottleneck", [False, True])
def test_ten_steps_lower_the_loss(bottleneck: bool) -> None:
    torch.manual_seed(0)
    module = CifarDenseNet(16, 8, 10, bottleneck=bottleneck)
    seen = losses(module, torch.randn(8, 3, 16, 16), torch.arange(8), rate=0.05)
    assert seen[-1] < 0.7 * seen[0]
