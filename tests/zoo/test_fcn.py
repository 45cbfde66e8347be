"""Fully convolutional networks: their sizes, their bilinear beginnings, their skips and their gradients."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from convlens import zoo
from convlens.graph.capture import capture
from convlens.graph.receptive_field import receptive_field
from convlens.layers.skip_scores import SkipScores
from convlens.layers.upsampling import BilinearUpsampling, cropped
from convlens.transfer.heads import replace_head
from convlens.zoo.fcn import FCN
from convlens.zoo.structure import structure
from convlens.zoo.vgg import state_from_vgg16
from tests.gradient.oracle import assert_equals_autograd
from tests.graph.nets import zoo_graph
from tests.zoo.inspected import inspected
from tests.zoo.learning import losses

NAMES = {"fcn32s": 0, "fcn16s": 1, "fcn8s": 2}


def tiny(skips: int, *, classes: int = 3) -> FCN:
    """With few hidden channels, and with random scores: at zero, no gradient would pass them."""
    torch.manual_seed(0)
    module = FCN(classes, skips=skips, hidden=8)
    scores = module.classifier[-1]
    for scored in (scores, *scores.skips):
        nn.init.normal_(scored.weight, std=0.1)
    return module


@pytest.mark.parametrize("factor", [2, 4, 8, 16, 32])
@pytest.mark.parametrize("learned", [True, False])
def test_upsampling_starts_as_bilinear_interpolation(factor: int, learned: bool) -> None:
    """Inside: half a place from the border, interpolation repeats the border where the filter sees zeros."""
    torch.manual_seed(0)
    module = BilinearUpsampling(3, factor, learned=learned).double()
    x = torch.randn(2, 3, 5, 4, dtype=torch.float64)
    ours, theirs = module(x), F.interpolate(x, scale_factor=factor, mode="bilinear", align_corners=False)
    assert ours.shape == theirs.shape
    inside = (..., slice(factor // 2, -factor // 2), slice(factor // 2, -factor // 2))
    torch.testing.assert_close(ours[inside], theirs[inside], rtol=0, atol=1e-12)
    assert not torch.allclose(ours[..., 0, :], theirs[..., 0, :])
    assert len(list(module.parameters())) == learned
    assert list(module.state_dict()) == ["weight"]


@pytest.mark.parametrize("name", NAMES)
def test_parameters_are_the_papers(name: str) -> None:
    """134 million (table 1): VGG16 with another last layer, 1x1 scores of the skips, and 4 x 4 filters to double."""
    of_skips = sum(channels * 21 + 21 + 21 * 4 * 4 for channels in (512, 256)[: NAMES[name]])
    parameters = inspected(name).parameters
    assert parameters == 138_357_544 - (4096 + 1) * (1000 - 21) + of_skips
    assert round(parameters / 1e6) == 134


def test_scores_of_the_last_layer_see_404_pixels_at_a_stride_of_32() -> None:
    """The size and the stride of table 1."""
    graph = zoo_graph("fcn32s")
    fields = receptive_field(graph)
    last = [node for node in graph.operators if node.operator == "aten.conv2d.default"][-1]
    assert last.module == "classifier.6"
    seen = fields.nodes[last.name]
    assert isinstance(seen, tuple)
    assert {(axis.size, axis.stride) for axis in seen} == {(404, 32)}
    assert all("changes with its phase" in reason for reason in fields.unsupported.values())


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("height", "width"), [(1, 1), (31, 33), (32, 64), (75, 130), (500, 375)])
def test_every_pixel_of_an_image_of_any_size_is_scored(name: str, height: int, width: int) -> None:
    module = zoo.blueprint(name).eval()
    assert module(torch.empty(2, 3, height, width, device="meta")).shape == (2, 21, height, width)


@pytest.mark.parametrize("skips", [0, 1, 2])
@pytest.mark.parametrize(("row", "column"), [(40, 72), (5, 105), (96, 0)])
def test_all_depths_begin_at_the_first_pixel(skips: int, row: int, column: int) -> None:
    """Where all maps are poolings of one bright pixel, the scores are highest in the cell that holds it."""
    scores = SkipScores(1, 1, (1, 1)[:skips], 32 >> skips)
    for scored in (scores, *scores.skips):
        nn.init.ones_(scored.weight)
    maps = [torch.zeros(1, 1, 97, 113)]
    maps[0][..., row, column] = 1.0
    for _ in range(5):
        maps.append(F.max_pool2d(maps[-1], 2, ceil_mode=True))
    y = scores(maps[5], [maps[4], maps[3]][:skips], maps[0])
    assert y.shape == maps[0].shape
    highest, cell = torch.nonzero(y[0, 0] == y.max()), 32 >> skips
    assert {tuple(place) for place in (highest // cell).tolist()} == {(row // cell, column // cell)}


def test_cropping_takes_away_what_is_beyond_the_end() -> None:
    x = torch.arange(12.0).reshape(1, 1, 3, 4)
    assert cropped(x, torch.empty(5, 2, 3)).tolist() == [[[[0, 1, 2], [4, 5, 6]]]]


@pytest.mark.parametrize("skips", [1, 2])
def test_a_change_of_a_skip_changes_the_scores_around_it_alone(skips: int) -> None:
    torch.manual_seed(0)
    scores = tiny(skips).classifier[-1]
    x, image = torch.randn(1, 8, 2, 3), torch.empty(1, 3, 64, 96)
    maps = [torch.randn(1, 512, 4, 6), torch.randn(1, 256, 8, 12)][:skips]
    with torch.no_grad():
        before = scores(x, maps, image)
        for changed in maps:
            changed[..., 0, 0] += 10.0
            after = scores(x, maps, image)
            touched = (after - before).abs().amax(1)[0] > 1e-6
            assert touched[0, 0]
            assert not touched[32:].any()
            before = after


def test_new_networks_score_nothing_and_skips_add_nothing_at_first() -> None:
    """Zero scores (sections 4.1 and 4.2), whose gradient is not zero."""
    torch.manual_seed(0)
    module = FCN(3, skips=2, hidden=8)
    y = module(torch.randn(1, 3, 40, 40))
    assert not y.any()
    y.sum().backward()
    scores = module.classifier[-1]
    assert all(scored.weight.grad.any() for scored in (scores, *scores.skips))


def test_the_weights_of_vgg16_load_all_but_the_fixed_upsampling() -> None:
    vgg = {name: torch.empty(t.shape, device="meta") for name, t in zoo.blueprint("vgg16").state_dict().items()}
    module = structure(lambda classes: FCN(classes, skips=0), 1000)
    shapes = {name: tensor.shape for name, tensor in module.state_dict().items()}
    assert shapes.pop("classifier.6.upsampling.weight") == (1000, 1, 64, 64)
    assert shapes == {name: tensor.shape for name, tensor in state_from_vgg16(vgg).items()}


def test_a_new_head_has_every_layer_of_scores_and_the_rest_stays() -> None:
    module = tiny(2)
    before = {
        name: tensor.clone() for name, tensor in module.state_dict().items() if not name.startswith("classifier.6")
    }
    replace_head(module, "classifier.6", classes=5, seed=0)
    shapes = {name.removeprefix("classifier.6."): tuple(t.shape) for name, t in module.state_dict().items()}
    assert shapes["weight"] == (5, 8, 1, 1)
    assert (shapes["skips.0.weight"], shapes["skips.1.weight"]) == ((5, 512, 1, 1), (5, 256, 1, 1))
    assert (shapes["doublings.0.weight"], shapes["upsampling.weight"]) == ((5, 1, 4, 4), (5, 1, 16, 16))
    assert all(torch.equal(module.state_dict()[name], tensor) for name, tensor in before.items())


@pytest.mark.parametrize("skips", [0, 2])
def test_own_gradients_equal_autograds(skips: int) -> None:
    module = tiny(skips).double().eval()
    result = assert_equals_autograd(module, torch.randn(2, 3, 35, 34, dtype=torch.float64), free_batch=False)
    assert set(result.parameters) == {name for name, _ in module.named_parameters()}
    assert all(gradient.any() for gradient in result.parameters.values())


def test_captured_it_is_run_for_any_batch() -> None:
    module = tiny(2).eval()
    graph = capture(module, torch.zeros(2, 3, 35, 34))
    assert graph.by_name[graph.outputs[0]].shape == ("batch", 3, 35, 34)


def test_it_learns_where_the_border_between_two_classes_runs() -> None:
    torch.manual_seed(0)
    module = FCN(2, skips=2, hidden=32)
    module.classifier[2].p = module.classifier[5].p = 0.0
    x, target = torch.randn(2, 3, 32, 32), torch.zeros(2, 32, 32, dtype=torch.long)
    x[..., 16:] += 1.0
    target[..., 16:] = 1
    seen = losses(module, x, target, rate=0.01)
    assert seen[0] == pytest.approx(0.6931, abs=1e-4)
    assert seen[-1] < 0.7 * seen[0]
