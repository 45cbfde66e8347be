"""Networks with values: initialization, forward, backward, export."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from convlens import zoo
from convlens.core.errors import UsageError
from convlens.layers.residual import BasicBlock, Bottleneck
from convlens.zoo.densenet import DenseNet
from convlens.zoo.registry import NETWORKS
from convlens.zoo.resnet import ResNet
from convlens.zoo.structure import structure

TINY: dict[str, Callable[[], nn.Module]] = {
    "basic blocks": lambda: ResNet(BasicBlock, (1, 1, 1, 1), classes=5),
    "bottlenecks": lambda: ResNet(Bottleneck, (1, 1, 1, 1), classes=5),
    "dense blocks": lambda: DenseNet((2, 2, 2), growth_rate=8, classes=5),
    "house": lambda: zoo.network("house", classes=5),
}
"""One network of each kind, small enough to run."""


@pytest.mark.parametrize("kind", TINY)
def test_scores_are_numbers_and_every_parameter_gets_a_gradient(kind):
    torch.manual_seed(0)
    module = TINY[kind]()
    scores = module(torch.randn(2, 3, 32, 32))
    nn.functional.cross_entropy(scores, torch.tensor([0, 4])).backward()
    assert scores.shape == (2, 5)
    assert torch.isfinite(scores).all()
    for path, parameter in module.named_parameters():
        assert parameter.grad is not None, path
        assert torch.isfinite(parameter.grad).all(), path


@pytest.mark.parametrize("kind", TINY)
def test_channels_last_gives_the_same(kind):
    torch.manual_seed(0)
    module = TINY[kind]().eval()
    x = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        plain = module(x)
        last = module.to(memory_format=torch.channels_last)(x.to(memory_format=torch.channels_last))
    torch.testing.assert_close(last, plain, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("size", [32, 33, 47, 64])
def test_house_takes_any_size(size):
    module = zoo.network("house").eval()
    assert module(torch.randn(1, 3, size, size + 5)).shape == (1, 200)


@pytest.mark.parametrize("name", ["densenet121", "house", "resnet18", "vgg16"])
def test_exports_with_a_free_batch_dimension(name):
    module = structure(NETWORKS[name].build, 5).eval()
    example = torch.empty(2, 3, 64, 64, device="meta")
    program = torch.export.export(module, (example,), dynamic_shapes=({0: torch.export.Dim("batch")},))
    assert program.module()(torch.empty(3, 3, 64, 64, device="meta")).shape == (3, 5)


def test_the_exported_training_network_computes_the_same():
    torch.manual_seed(0)
    module = zoo.network("house", classes=5)
    x = torch.randn(2, 3, 32, 32)
    program = torch.export.export(module, (x,), dynamic_shapes=({0: torch.export.Dim("batch")},))
    x = torch.randn(3, 3, 32, 32)
    torch.testing.assert_close(program.module()(x), module(x))


def test_the_global_generator_decides_the_initialization():
    def drawn(seed: int) -> Tensor:
        torch.manual_seed(seed)
        return nn.utils.parameters_to_vector(zoo.network("house").parameters())

    assert torch.equal(drawn(1), drawn(1))
    assert not torch.equal(drawn(1), drawn(2))


def test_he_initialization_keeps_the_papers_variance():
    torch.manual_seed(0)
    resnet, densenet = zoo.network("resnet18"), zoo.network("densenet121")
    fan_out = resnet.layer3[1].conv1
    assert fan_out.weight.std().item() == pytest.approx((2 / (256 * 9)) ** 0.5, rel=0.02)
    fan_in = densenet.features.denseblock3.denselayer20.conv1
    assert fan_in.weight.std().item() == pytest.approx((2 / fan_in.in_channels) ** 0.5, rel=0.02)
    assert not densenet.classifier.bias.any()


def test_alexnet_starts_as_in_2012():
    torch.manual_seed(0)
    module = zoo.network("alexnet", classes=2)
    convolutions = [layer for layer in module.features if isinstance(layer, nn.Conv2d)]
    assert [layer.bias.unique().tolist() for layer in convolutions] == [[0], [1], [0], [1], [1]]
    linear = [layer for layer in module.classifier if isinstance(layer, nn.Linear)]
    assert [layer.bias.unique().tolist() for layer in linear] == [[1], [1], [0]]
    assert convolutions[2].weight.std().item() == pytest.approx(0.01, rel=0.02)


def test_vgg_starts_as_glorot_and_bengio():
    torch.manual_seed(0)
    module = zoo.network("vgg11_bn", classes=2)
    weight = module.features[11].weight
    assert weight.abs().max().item() == pytest.approx((6 / (9 * (256 + 256))) ** 0.5, rel=0.01)
    assert not module.features[11].bias.any()


def test_classes_default_to_the_cards():
    assert zoo.network("house").fc.out_features == 200
    assert zoo.network("resnet18").fc.out_features == 1000


@pytest.mark.parametrize("classes", [0, -3])
def test_fewer_than_one_class_is_refused(classes):
    with pytest.raises(UsageError, match=rf"number of classes must be at least 1, got {classes}\."):
        zoo.network("house", classes=classes)
