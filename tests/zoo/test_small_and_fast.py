"""SqueezeNet, MobileNet v2 and the encoder of ENet."""

import pytest
import torch
from torch import nn

from convlens import zoo
from convlens.graph.cost import cost
from convlens.graph.receptive_field import receptive_field
from tests.graph.nets import zoo_graph

PUBLISHED = {"squeezenet1_1": (1_235_496, 349_151_936), "mobilenet_v2": (3_504_872, 300_774_272)}
"""Parameters and multiply-adds; the model cards say 0.349 G and 0.301 G."""

RECEPTIVE_FIELDS = {
    "squeezenet1_1": 3 + 4 + 2 * 8 + 8 + 2 * 16 + 16 + 4 * 32,
    "mobilenet_v2": 3 + 4 + (4 + 8) + (8 + 2 * 16) + (16 + 3 * 32) + 3 * 32 + (32 + 2 * 64) + 64,
    "enet": 3 + (2 + 5 * 8) + (4 + 16) + 2 * (2 * 16 + 2 * 32 + 32 + 64 + 128 + 256),
}
"""Of the last map, worked out by hand, stage by stage."""


@pytest.mark.parametrize("name", PUBLISHED)
def test_costs_are_the_published_ones(name):
    costs = cost(zoo_graph(name))
    assert costs.unsupported == ()
    assert (costs.total.parameters, costs.total.multiply_adds) == PUBLISHED[name]


@pytest.mark.parametrize("name", RECEPTIVE_FIELDS)
def test_receptive_fields(name):
    fields = receptive_field(zoo_graph(name))
    assert not fields.unsupported
    assert fields.last_feature_map is not None
    assert [axis.size for axis in fields.nodes[fields.last_feature_map]] == [RECEPTIVE_FIELDS[name]] * 2


def enet_bottleneck(before: int, after: int, middle: int, *, downsampling: bool = False) -> int:
    """Parameters of a bottleneck whose middle has `middle` weights for each pair of channels."""
    width = after // 4
    convolutions = before * width * (4 if downsampling else 1) + width * width * middle + width * after
    norms_and_rectifiers = 2 * (2 * width + width) + 2 * after + after
    return convolutions + norms_and_rectifiers


def test_enet_has_the_papers_encoder():
    context = sum(enet_bottleneck(128, 128, middle) for middle in (9, 9, 10, 9, 9, 9, 10, 9))
    expected = {
        "initial": 13 * 3 * 9 + 2 * 16 + 16,
        "stage1": enet_bottleneck(16, 64, 9, downsampling=True) + 4 * enet_bottleneck(64, 64, 9),
        "stage2": enet_bottleneck(64, 128, 9, downsampling=True) + context,
        "stage3": context,
        "fc": 128 * 1000 + 1000,
    }
    module = zoo.blueprint("enet")
    assert {name: sum(p.numel() for p in part.parameters()) for name, part in module.named_children()} == expected


def test_enets_maps_are_those_of_table_1():
    module = zoo.blueprint("enet").eval()
    x = torch.empty(1, 3, 512, 512, device="meta")
    shapes = []
    for stage in (module.initial, module.stage1, module.stage2, module.stage3):
        x = stage(x)
        shapes.append(tuple(x.shape[1:]))
    assert shapes == [(16, 256, 256), (64, 128, 128), (128, 64, 64), (128, 64, 64)]


def test_enets_dropout_is_spatial_and_grows():
    rates = [layer.p for layer in zoo.blueprint("enet").modules() if isinstance(layer, nn.Dropout2d)]
    assert rates == [0.01] * 5 + [0.1] * 17


@pytest.mark.parametrize("name", ["squeezenet1_1", "nin"])
def test_the_score_of_a_class_is_the_mean_of_its_map(name):
    torch.manual_seed(0)
    module = zoo.network(name, classes=5).eval()
    maps = []
    last = next(layer for layer in reversed(list(module.classifier)) if isinstance(layer, nn.ReLU))
    last.register_forward_hook(lambda layer, x, y: maps.append(y))
    with torch.no_grad():
        scores = module(torch.randn(2, 3, 96, 96))
    assert maps[0].ndim == 4
    torch.testing.assert_close(scores, maps[0].mean((2, 3)))
    assert scores.std() > 0.01
