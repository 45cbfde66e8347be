"""GoogLeNet in both forms, Inception v3 and v4: published counts, auxiliary heads, what tells the forms apart."""

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from convlens import zoo
from convlens.core.preprocessing import Preprocessing
from convlens.graph.capture import capture
from convlens.graph.cost import cost
from convlens.graph.receptive_field import receptive_field
from convlens.layers.auxiliary import ScoresWithAuxiliary
from convlens.layers.local_response import LocalResponseNorm
from convlens.zoo.googlenet import googlenet
from convlens.zoo.registry import NETWORKS
from convlens.zoo.structure import structure
from tests.graph.nets import zoo_graph

PARAMETERS = {
    "googlenet": 6_624_904,
    "googlenet_paper": 13_378_280,
    "inception_v3": 27_161_264,
    "inception_v4": 42_679_816,
}
MULTIPLY_ADDS = {
    "googlenet": (1_498_376_192, 1.498e9),
    "googlenet_paper": (1_582_671_872, 1.58e9),
    "inception_v3": (5_713_216_096, 5.713e9),
    "inception_v4": (12_253_974_624, 12.27e9),
}
"""Ours, and the published figure; that of v4 counts more than products with weights."""

RECEPTIVE_FIELDS = {
    "googlenet": {"maxpool2": 27, "inception3b": 59, "maxpool3": 75, "inception4e": 235, "inception5b": 379},
    "googlenet_paper": {"maxpool2": 27, "inception3b": 91, "maxpool3": 107, "inception4e": 427, "inception5b": 715},
    "inception_v3": {"Mixed_7c": 1311},
    "inception_v4": {"inception_c": 2071},
}
"""The last two: Araujo, Norris, Sim, Distill 2019, table of networks."""


@pytest.mark.parametrize("name", PARAMETERS)
def test_parameters(name):
    assert sum(parameter.numel() for parameter in zoo.blueprint(name).parameters()) == PARAMETERS[name]


def test_the_papers_googlenet_without_its_heads():
    module = zoo.blueprint("googlenet_paper")
    heads = sum(p.numel() for head in (module.aux1, module.aux2) for p in head.parameters())
    assert PARAMETERS["googlenet_paper"] - heads == 6_998_552


@pytest.mark.parametrize("name", MULTIPLY_ADDS)
def test_multiply_adds(name):
    exact, published = MULTIPLY_ADDS[name]
    costs = cost(zoo_graph(name))
    assert costs.unsupported == ()
    assert costs.total.multiply_adds == exact
    assert exact == pytest.approx(published, rel=0.002)


@pytest.mark.parametrize("name", ["googlenet_paper", "inception_v4"])
def test_multiply_adds_are_half_of_torchs_flops(name):
    module = zoo.blueprint(name).eval()
    with FlopCounterMode(display=False) as counter:
        module(torch.zeros(1, *zoo.card(name).input_shape, device="meta"))
    assert counter.get_total_flops() == 2 * MULTIPLY_ADDS[name][0]


@pytest.mark.parametrize("name", RECEPTIVE_FIELDS)
def test_receptive_fields(name):
    graph = zoo_graph(name)
    fields = receptive_field(graph)
    assert not fields.unsupported
    for path, size in RECEPTIVE_FIELDS[name].items():
        last = [node.name for node in graph.operators if f"{node.module}.".startswith(f"{path}.")][-1]
        assert [axis.size for axis in fields.nodes[last]] == [size, size]
    assert fields.last_feature_map is not None
    assert fields.nodes[fields.last_feature_map][0].size == list(RECEPTIVE_FIELDS[name].values())[-1]


@pytest.mark.parametrize(("name", "number", "size"), [("googlenet_paper", 2, 224), ("inception_v3", 1, 299)])
def test_auxiliary_scores_in_training_alone(name, number, size):
    module = structure(NETWORKS[name].build, 7)
    x = torch.empty(2, 3, size, size, device="meta")
    trained = module.train()(x)
    assert isinstance(trained, ScoresWithAuxiliary)
    assert [scores.shape for scores in (trained.scores, *trained.auxiliary)] == [(2, 7)] * (1 + number)
    used = module.eval()(x)
    assert type(used) is torch.Tensor
    assert used.shape == (2, 7)


def test_googlenet_has_its_heads_where_they_are_asked_for():
    x = torch.empty(2, 3, 96, 96, device="meta")
    assert type(structure(googlenet, 7).train()(x)) is torch.Tensor
    with_heads = structure(lambda classes: googlenet(classes, auxiliary_heads=True), 7).train()
    assert [scores.shape for scores in with_heads(x).auxiliary] == [(2, 7), (2, 7)]


def test_the_weight_of_an_auxiliary_loss_is_on_the_card_of_every_network_that_has_one():
    weights = {name: zoo.card(name).auxiliary_weight for name in zoo.names()}
    assert {name: weight for name, weight in weights.items() if weight is not None} == {
        "googlenet": 0.3,
        "googlenet_paper": 0.3,
        "inception_v3": 0.4,
    }


def test_the_auxiliary_heads_are_in_the_training_graph():
    module = structure(NETWORKS["googlenet_paper"].build, 7).train()
    x = torch.empty(2, 3, 96, 96, device="meta")
    assert len(capture(module, x).outputs) == 3
    assert len(capture(module.eval(), x).outputs) == 1


def test_what_tells_the_two_forms_apart():
    paper, torchvisions = zoo.blueprint("googlenet_paper"), zoo.blueprint("googlenet")
    kernels = [
        [module.get_submodule(f"inception{name}").branch3[1].conv.kernel_size for name in ("3a", "4e", "5b")]
        for module in (paper, torchvisions)
    ]
    assert kernels == [[(5, 5)] * 3, [(3, 3)] * 3]
    assert (paper.dropout.p, torchvisions.dropout.p) == (0.4, 0.2)
    assert paper.aux1.dropout.p == 0.7
    assert (paper.maxpool4.kernel_size, torchvisions.maxpool4.kernel_size) == (3, 2)
    norms = [[type(layer) for layer in module.modules()] for module in (paper, torchvisions)]
    assert norms[0].count(LocalResponseNorm) == 2
    assert nn.BatchNorm2d not in norms[0]
    assert norms[1].count(nn.BatchNorm2d) == 57


def test_the_papers_heads_pool_14_places_to_4():
    pooled = [
        node.shape
        for node in capture(zoo.blueprint("googlenet_paper"), torch.empty(2, 3, 224, 224, device="meta")).operators
        if node.operator == "aten.avg_pool2d.default"
    ]
    assert [shape[1:] for shape in pooled] == [(512, 4, 4), (528, 4, 4)]


def test_images_are_scaled_as_the_weights_want_them():
    """torchvision turns the usual preprocessing into this one within the network (transform_input)."""
    half = (0.5, 0.5, 0.5)
    assert zoo.card("googlenet").preprocessing == Preprocessing(mean=half, std=half)
    assert zoo.card("inception_v3").preprocessing == Preprocessing(size=299, resize=342, mean=half, std=half)


def test_the_stages_of_inception_v4_have_the_papers_shapes():
    shapes = {node.module: node.shape for node in zoo_graph("inception_v4").operators if node.module}
    stages = ("stem.2", "stem.3", "stem.4", "stem.5", "inception_a.3", "reduction_a", "inception_b.6", "reduction_b")
    assert [shapes[stage][1:3] for stage in (*stages, "inception_c.2")] == [
        (64, 147),
        (160, 73),
        (192, 71),
        (384, 35),
        (384, 35),
        (1024, 17),
        (1024, 17),
        (1536, 8),
        (1536, 8),
    ]


@pytest.mark.parametrize("heads", [True, False])
def test_scores_keep_their_size_at_the_start(heads):
    torch.manual_seed(0)
    module = googlenet(5, auxiliary_heads=True) if heads else zoo.network("googlenet_paper", classes=5)
    with torch.no_grad():
        y = module.train()(torch.randn(2, 3, 96, 96))
    for scores in (y.scores, *y.auxiliary):
        assert torch.isfinite(scores).all()
        assert 0.01 < scores.std() < 10
