"""EfficientNet-Lite: the authors' numbers, and the receptive fields worked out by hand."""

from pathlib import Path

import pytest
import torch
from torch import nn

from convlens import zoo
from convlens.backbones.resolve import network
from convlens.graph.receptive_field import Field, receptive_field
from tests.graph.nets import zoo_graph
from tests.zoo import reference_lite
from tests.zoo.learning import losses

REFERENCE = Path(__file__).parents[1] / "golden" / "efficientnet_lite.txt"

NAMES = [f"efficientnet_lite{i}" for i in range(5)]
SIZES = (224, 240, 260, 280, 300)
MILLIONS = (4.7, 5.4, 6.1, 8.2, 13.0)
"""Parameters and top-1 as the authors publish them."""
TOP1 = (75.1, 76.7, 77.6, 79.8, 81.5)


@pytest.mark.parametrize(("name", "millions"), list(zip(NAMES, MILLIONS, strict=True)))
def test_parameters_are_the_published_ones(name: str, millions: float) -> None:
    number = sum(parameter.numel() for parameter in zoo.blueprint(name).parameters())
    assert round(number / 1e6, 1) == millions


@pytest.mark.parametrize(("name", "size"), list(zip(NAMES, SIZES, strict=True)))
def test_images_are_fed_as_the_authors_feed_them(name: str, size: int) -> None:
    used = zoo.card(name).preprocessing
    assert (used.size, used.interpolation) == (size, "bicubic")
    assert used.size / used.resize == pytest.approx(0.875, abs=0.002)
    assert used.mean == (127 / 255,) * 3
    assert used.std == (128 / 255,) * 3


@pytest.mark.parametrize("name", NAMES)
def test_variances_have_tensorflows_floor(name: str) -> None:
    floors = {layer.eps for layer in zoo.blueprint(name).modules() if isinstance(layer, nn.BatchNorm2d)}
    assert floors == {1e-3}


def test_the_receptive_field_of_lite0() -> None:
    """Windows and strides of table 1; every stride pads one zero less before than behind."""
    graph = zoo_graph("efficientnet_lite0")
    fields = receptive_field(graph)
    assert not fields.unsupported
    assert fields.last_feature_map is not None
    windows = ((3, 2), (3, 1), (3, 2), (3, 1), (5, 2), (5, 1), (3, 2), (3, 1), (3, 1))
    windows += ((5, 1), (5, 1), (5, 1), (5, 2), (5, 1), (5, 1), (5, 1), (3, 1))
    size, stride, offset = 1, 1, 0
    for kernel, step in windows:
        size += (kernel - 1) * stride
        offset -= (kernel - step) // 2 * stride
        stride *= step
    field = fields.nodes[fields.last_feature_map]
    assert field == (Field(size=size, stride=stride, offset=offset),) * 2
    assert (size, stride, offset) == (851, 32, -394)


@pytest.mark.parametrize(("name", "top1"), list(zip(NAMES, TOP1, strict=True)))
def test_top1_is_as_published(name: str, top1: float) -> None:
    accuracy = zoo.published_accuracy(name)
    assert accuracy is not None
    assert accuracy.top1 == top1


def test_it_learns() -> None:
    torch.manual_seed(0)
    module = zoo.network("efficientnet_lite0", classes=3)
    seen = losses(module, torch.randn(6, 3, 64, 64), torch.tensor([0, 1, 2, 0, 1, 2]), rate=0.01)
    assert seen[-1] < seen[0] / 3


@pytest.mark.parametrize("name", reference_lite.NAMES)
def test_scores_are_those_of_the_reference_implementation(name: str) -> None:
    lines = (line.split() for line in REFERENCE.read_text().splitlines() if not line.startswith("#"))
    expected = {network: [float(score) for score in scores] for network, *scores in lines}[name]
    module = network(name, weights="imagenet").eval()
    with torch.no_grad():
        scores = module(reference_lite.image(zoo.card(name).preprocessing.size))[0]
    torch.testing.assert_close(scores, torch.tensor(expected), rtol=0, atol=1e-4)
    assert scores.std() > 0.5
