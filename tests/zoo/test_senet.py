"""SENets against the published numbers, and the names of the published weights."""

import pytest
import torch

from convlens import zoo
from convlens.zoo.senet import _SE_RESNET, _SENET, SENet
from tests.zoo.inspected import inspected
from tests.zoo.learning import losses


@pytest.mark.parametrize(
    ("name", "parameters", "multiply_adds", "published"),
    [("se_resnet50", 28_088_024, 3_860_488_192, 3.88e9), ("senet154", 115_088_984, 20_688_363_520, 20.77e9)],
)
def test_costs_are_the_published_ones(name: str, parameters: int, multiply_adds: int, published: float) -> None:
    """28.09 M and 115.09 M. The published multiply-adds also count poolings and norms, half a percent."""
    record = inspected(name)
    assert (record.parameters, record.multiply_adds) == (parameters, multiply_adds)
    assert record.multiply_adds == pytest.approx(published, rel=0.006)


def test_the_gates_add_two_small_layers_to_each_block_of_resnet50() -> None:
    gates = sum(
        2 * channels * (channels // 16) * depth for channels, depth in ((256, 3), (512, 4), (1024, 6), (2048, 3))
    )
    assert inspected("se_resnet50").multiply_adds == 3_857_973_248 + gates


def shapes(name: str) -> dict[str, tuple[int, ...]]:
    return {key: tuple(tensor.shape) for key, tensor in zoo.blueprint(name).state_dict().items()}


def test_se_resnet50_has_the_published_names() -> None:
    found = shapes("se_resnet50")
    assert len(found) == 320 + 16 * 4
    assert next(iter(found)) == "layer0.conv1.weight"
    assert found["layer0.conv1.weight"] == (64, 3, 7, 7)
    assert found["layer1.0.se_module.fc1.weight"] == (16, 256, 1, 1)
    assert found["layer1.0.se_module.fc2.bias"] == (256,)
    assert found["layer2.0.downsample.0.weight"] == (512, 256, 1, 1)
    assert list(found)[-2:] == ["last_linear.weight", "last_linear.bias"]


def test_senet154_has_the_published_names() -> None:
    found = shapes("senet154")
    assert [found[f"layer0.conv{i}.weight"] for i in (1, 2, 3)] == [(64, 3, 3, 3), (64, 64, 3, 3), (128, 64, 3, 3)]
    assert found["layer1.0.conv1.weight"] == (128, 128, 1, 1)
    assert found["layer1.0.conv2.weight"] == (256, 2, 3, 3)
    assert found["layer1.0.downsample.0.weight"] == (256, 128, 1, 1)
    assert found["layer3.0.downsample.0.weight"] == (1024, 512, 3, 3)
    assert found["layer3.35.bn3.running_var"] == (1024,)


def test_strides_and_dropout() -> None:
    small, large = zoo.blueprint("se_resnet50"), zoo.blueprint("senet154")
    assert [convolution.stride for convolution in (small.layer2[0].conv1, small.layer2[0].conv2)] == [(2, 2), (1, 1)]
    assert [convolution.stride for convolution in (large.layer2[0].conv1, large.layer2[0].conv2)] == [(1, 1), (2, 2)]
    assert (small.dropout.p, large.dropout.p) == (0.0, 0.2)


@pytest.mark.parametrize(("form", "wide_stem"), [(_SE_RESNET, False), (_SENET, True)])
def test_ten_steps_lower_the_loss(form, wide_stem) -> None:
    torch.manual_seed(0)
    module = SENet(form, (1, 1, 1, 1), 10, wide_stem=wide_stem, dropout=0.0)
    seen = losses(module, torch.randn(4, 3, 32, 32), torch.arange(4), rate=0.02)
    assert seen[-1] < 0.5 * seen[0]
