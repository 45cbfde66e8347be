"""The networks before Inception: two layers, LeNet-5, AlexNet, ZFNet, network in network."""

import pytest
import torch
from torch import nn

from convlens import zoo
from convlens.graph.cost import cost
from convlens.graph.receptive_field import receptive_field
from convlens.zoo.lenet5 import PartialConvolution, Squash, Subsampling
from tests.graph.nets import zoo_graph
from tests.zoo.learning import losses

PARAMETERS = {
    "mlp": 784 * 128 + 128 + 128 * 10 + 10,
    "small_convnet": (25 + 1) * 16 + (16 * 25 + 1) * 32 + 32 * 49 * 10 + 10,
    "lenet5": 60_000 + 850,
    "alexnet_2012": 60_965_224,
    "zfnet": 62_357_608,
    "nin": 7_595_176,
}
MULTIPLY_ADDS = {
    "mlp": 784 * 128 + 1280,
    "small_convnet": 784 * 25 * 16 + 196 * 16 * 25 * 32 + 15_680,
    "lenet5": 784 * 25 * 6 + 100 * 25 * 60 + 400 * 120 + 120 * 84 + 840,
    "alexnet_2012": 724_406_816,
}
RECEPTIVE_FIELDS = {"small_convnet": 16, "lenet5": 16, "alexnet_2012": 195, "zfnet": 171, "nin": 195}
"""Of the last map."""


@pytest.mark.parametrize("name", PARAMETERS)
def test_parameters(name):
    assert cost(zoo_graph(name)).total.parameters == PARAMETERS[name]


@pytest.mark.parametrize("name", MULTIPLY_ADDS)
def test_multiply_adds(name):
    assert cost(zoo_graph(name)).total.multiply_adds == MULTIPLY_ADDS[name]


@pytest.mark.parametrize("name", RECEPTIVE_FIELDS)
def test_receptive_fields(name):
    fields = receptive_field(zoo_graph(name))
    assert not fields.unsupported
    assert fields.last_feature_map is not None
    assert [axis.size for axis in fields.nodes[fields.last_feature_map]] == [RECEPTIVE_FIELDS[name]] * 2


def test_zfnets_maps_are_those_of_figure_3():
    convolutions = [node.shape for node in zoo_graph("zfnet").operators if node.operator == "aten.conv2d.default"]
    poolings = [node.shape for node in zoo_graph("zfnet").operators if node.operator == "aten.max_pool2d.default"]
    assert [shape[1:3] for shape in convolutions] == [(96, 110), (256, 26), (384, 13), (384, 13), (256, 13)]
    assert [shape[2] for shape in poolings] == [55, 13, 6]


def test_lenet5_has_the_papers_parameters_layer_by_layer():
    module = zoo.blueprint("lenet5")
    numbers = {name: sum(p.numel() for p in part.parameters()) for name, part in module.named_children()}
    assert numbers == {
        "c1": 156,
        "s2": 12,
        "c3": 1516,
        "s4": 32,
        "c5": 48_120,
        "f6": 10_164,
        "output": 850,
        "squash": 0,
    }


def test_a_map_of_c3_sees_the_maps_of_s2_that_table_1_says():
    layer = PartialConvolution()
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.fill_(1.0)
    rows = []
    for i in range(6):
        x = torch.zeros(1, 6, 5, 5)
        x[0, i] = 1.0
        rows.append("".join("X" if seen else "." for seen in (layer(x)[0, :, 0, 0] > 1.5).tolist()))
    assert rows == [
        "X...XXX..XXXX.XX",
        "XX...XXX..XXXX.X",
        "XXX...XXX..X.XXX",
        ".XXX..XXXX..X.XX",
        "..XXX..XXXX.XX.X",
        "...XXX..XXXX.XXX",
    ]


def test_subsampling_scales_the_sum_of_four():
    layer = Subsampling(2)
    with torch.no_grad():
        layer.coefficient.copy_(torch.tensor([0.5, 2.0]).reshape(2, 1, 1))
        layer.bias.copy_(torch.tensor([1.0, -1.0]).reshape(2, 1, 1))
    x = torch.arange(16.0).reshape(1, 1, 4, 4).repeat(1, 2, 1, 1)
    sums = torch.tensor([[10.0, 18.0], [42.0, 50.0]])
    assert torch.equal(layer(x)[0], torch.stack((0.5 * sums + 1, 2 * sums - 1)))


def test_the_squashing_function_keeps_one():
    assert Squash()(torch.tensor([-1.0, 0.0, 1.0])).tolist() == pytest.approx([-1, 0, 1], abs=1e-4)


def test_lenet5_starts_within_the_papers_bounds():
    torch.manual_seed(0)
    module = zoo.network("lenet5")
    for layer, fan_in in ((module.c1, 25), (module.c3.of_four, 100), (module.c5, 400), (module.f6, 120)):
        assert layer.weight.abs().max().item() == pytest.approx(2.4 / fan_in, rel=0.1)
        assert layer.weight.abs().max().item() <= 2.4 / fan_in


def test_lenet5_sees_digits_as_the_paper_scales_them():
    preprocessing = zoo.card("lenet5").preprocessing
    black, white = ((value - preprocessing.mean[0]) / preprocessing.std[0] for value in (0, 1))
    assert (black, white) == pytest.approx((-0.1, 1.175))


def test_alexnet_2012_is_split_in_two_and_starts_as_the_paper_says():
    torch.manual_seed(0)
    module = zoo.network("alexnet_2012", classes=2)
    convolutions = [layer for layer in module.features if isinstance(layer, nn.Conv2d)]
    assert [layer.groups for layer in convolutions] == [1, 2, 1, 2, 2]
    assert [layer.bias.unique().tolist() for layer in convolutions] == [[0], [1], [0], [1], [1]]
    linear = [layer for layer in module.classifier if isinstance(layer, nn.Linear)]
    assert [layer.bias.unique().tolist() for layer in linear] == [[1], [1], [0]]
    assert convolutions[2].weight.std().item() == pytest.approx(0.01, rel=0.02)


def test_the_upper_half_of_its_filters_does_not_see_the_lower_half_of_the_channels():
    torch.manual_seed(0)
    second = zoo.network("alexnet_2012", classes=2).features[4]
    x = torch.randn(1, 96, 7, 7)
    changed = x.clone()
    changed[:, :48] += 1
    with torch.no_grad():
        difference = (second(changed) - second(x)).abs().amax((0, 2, 3))
    assert difference[:128].min() > 0
    assert difference[128:].max() == 0


@pytest.mark.parametrize(("name", "rate"), [("mlp", 0.1), ("small_convnet", 0.01), ("lenet5", 0.2)])
def test_it_learns_four_patterns_by_heart(name, rate):
    torch.manual_seed(0)
    module = zoo.network(name)
    x, target = torch.randn(4, *zoo.card(name).input_shape), torch.tensor([1, 3, 5, 7])
    before, *_, after = losses(module, x, target, rate=rate, steps=120)
    assert 1.5 < before < 4
    assert after < 0.1
