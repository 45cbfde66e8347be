"""DeepLabv3: its backbone without strides, its pyramid, its counts and its gradients."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from convlens import zoo
from convlens.graph.capture import capture
from convlens.graph.receptive_field import Field, receptive_field
from convlens.layers.atrous_pyramid import AtrousPyramid
from convlens.layers.residual import BasicBlock, Bottleneck
from convlens.zoo.deeplab import DeepLabV3
from convlens.zoo.resnet import Block, ResNetBody
from tests.gradient.oracle import assert_equals_autograd
from tests.graph.nets import zoo_graph
from tests.zoo.inspected import inspected
from tests.zoo.learning import losses


def tiny(output_stride: int = 8) -> DeepLabV3:
    torch.manual_seed(0)
    return DeepLabV3(3, depths=(1, 1, 2, 2), output_stride=output_stride, channels=4)


def test_it_has_torchvisions_parameters_less_those_of_the_second_classifier() -> None:
    """torchvision states 42,004,074, of which 3x3 x 1024 x 256, a normalization and 21 scores are the second one's."""
    second = 9 * 1024 * 256 + 2 * 256 + 256 * 21 + 21
    assert inspected("deeplabv3_resnet50").parameters == 42_004_074 - second


def test_the_backbone_takes_the_weights_of_resnet50() -> None:
    expected = {f"backbone.{name}": t.shape for name, t in zoo.blueprint("resnet50").state_dict().items()}
    state = {name: t.shape for name, t in zoo.blueprint("deeplabv3_resnet50").state_dict().items()}
    own = {name: shape for name, shape in state.items() if name.startswith("backbone.")}
    assert own == {name: shape for name, shape in expected.items() if not name.startswith("backbone.fc.")}


@pytest.mark.parametrize(("height", "width"), [(1, 1), (31, 33), (64, 64), (75, 130), (513, 513)])
def test_every_pixel_of_an_image_of_any_size_is_scored(height: int, width: int) -> None:
    module = zoo.blueprint("deeplabv3_resnet50").eval()
    assert module(torch.empty(2, 3, height, width, device="meta")).shape == (2, 21, height, width)


@pytest.mark.parametrize("block", [BasicBlock, Bottleneck])
@pytest.mark.parametrize("output_stride", [16, 8])
def test_dilation_for_strides_keeps_what_a_place_sees_and_gives_the_places_between(
    block: Block, output_stride: int
) -> None:
    """Every second (fourth) place of the dilated maps is a place of the strided ones."""
    torch.manual_seed(0)
    strided, dilated = ResNetBody(block, (1, 1, 2, 2)), ResNetBody(block, (1, 1, 2, 2), output_stride=output_stride)
    dilated.load_state_dict(strided.state_dict())
    x = torch.randn(1, 3, 65, 65)
    step = 32 // output_stride
    with torch.no_grad():
        between, coarse = dilated.eval()(x), strided.eval()(x)
    assert between.shape[-1] == 64 // output_stride + 1
    torch.testing.assert_close(between[..., ::step, ::step], coarse, rtol=1e-4, atol=1e-4)
    fields = []
    for module in (strided, dilated):
        graph = capture(module, x)
        fields.append(receptive_field(graph).nodes[graph.outputs[0]])
    field = fields[0]
    assert isinstance(field, tuple)
    assert fields[1] == (Field(size=field[0].size, stride=output_stride, offset=field[0].offset),) * 2


def test_the_branches_of_the_pyramid_are_as_figure_5_draws_them() -> None:
    pyramid = zoo.blueprint("deeplabv3_resnet50").classifier[0]
    convolutions = [layer for layer in pyramid.convs.modules() if isinstance(layer, nn.Conv2d)]
    assert [layer.kernel_size[0] for layer in convolutions] == [1, 3, 3, 3, 1]
    assert [layer.dilation[0] for layer in convolutions] == [1, 12, 24, 36, 1]
    sparser = DeepLabV3(2, depths=(1, 1, 1, 1), output_stride=16, channels=2).classifier[0]
    assert [sparser.convs[i][0].dilation[0] for i in (1, 2, 3)] == [6, 12, 18]


def test_a_branch_of_rate_r_reads_nine_places_r_apart() -> None:
    torch.manual_seed(0)
    branch = AtrousPyramid(1, 1, (4,)).convs[1][0]
    x = torch.zeros(1, 1, 17, 17)
    x[..., 8, 8] = 1.0
    with torch.no_grad():
        touched = branch(x)[0, 0].nonzero().tolist()
    assert touched == [[row, column] for row in (4, 8, 12) for column in (4, 8, 12)]


def test_the_mean_of_the_map_is_the_same_at_every_place_as_upsampled_bilinearly() -> None:
    torch.manual_seed(0)
    pyramid = AtrousPyramid(2, 3, (1, 2)).eval()
    x = torch.randn(2, 2, 5, 7)
    seen: list[torch.Tensor] = []
    pyramid.project.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    with torch.no_grad():
        assert pyramid(x).shape == (2, 3, 5, 7)
        pooled = pyramid.convs[3](x)
        assert torch.equal(pooled, pyramid.convs[3][1:](x.mean((2, 3), keepdim=True)))
    wide = F.interpolate(pooled, size=(5, 7), mode="bilinear", align_corners=False)
    assert seen[0].shape[1] == 4 * 3
    torch.testing.assert_close(seen[0][:, -3:], wide)


def test_every_branch_matters() -> None:
    module = tiny().eval()
    x = torch.rand(1, 3, 40, 40)
    with torch.no_grad():
        before = module(x)
        for branch in module.classifier[0].convs:
            handle = branch.register_forward_hook(lambda _, __, y: y + 1.0)
            assert (module(x) - before).abs().max() > 1e-3
            handle.remove()


def test_every_place_sees_the_whole_image() -> None:
    """By the mean of the whole map, and only by that: a 3x3 of rate 36 sees 576 pixels more than the backbone."""
    graph = zoo_graph("deeplabv3_resnet50")
    fields = receptive_field(graph)
    assert fields.nodes[graph.outputs[0]] == "whole input"
    (widest,) = [node for node in graph.operators if node.module == "classifier.0.convs.3.0"]
    seen = fields.nodes[widest.name]
    assert isinstance(seen, tuple)
    assert (seen[0].size, seen[0].stride) == (427 + 2 * 36 * 8, 8)
    assert inspected("deeplabv3_resnet50").receptive_field == "whole input"


@pytest.mark.parametrize("output_stride", [8, 16])
def test_own_gradients_equal_autograds(output_stride: int) -> None:
    module = tiny(output_stride).double()
    result = assert_equals_autograd(module, torch.randn(3, 3, 33, 38, dtype=torch.float64), free_batch=False)
    assert set(result.parameters) == {name for name, _ in module.named_parameters()}


def test_it_learns_where_the_border_between_two_classes_runs() -> None:
    torch.manual_seed(0)
    module = DeepLabV3(2, depths=(1, 1, 1, 1), channels=16)
    module.classifier[0].project[3].p = 0.0
    x, target = torch.randn(4, 3, 32, 32), torch.zeros(4, 32, 32, dtype=torch.long)
    x[..., 16:] += 1.0
    target[..., 16:] = 1
    seen = losses(module, x, target, rate=0.05)
    assert seen[-1] < 0.7 * seen[0]
