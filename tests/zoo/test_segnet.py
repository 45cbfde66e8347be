"""SegNet: sizes, counts, the indices that its poolings hand on, and gradients through unpooling."""

import pytest
import torch
from torch import nn

from convlens import check_gradients, zoo
from convlens.graph.capture import capture
from convlens.zoo.segnet import SegNet
from tests.gradient.oracle import assert_equals_autograd
from tests.graph.nets import randomized, zoo_graph
from tests.zoo.inspected import inspected
from tests.zoo.learning import losses

WIDTHS = (2, 3, 4, 5, 6)


def tiny(classes: int = 3) -> SegNet:
    torch.manual_seed(0)
    return SegNet(classes, widths=WIDTHS)


def test_encoder_and_decoder_have_13_convolutions_each_and_29_million_parameters() -> None:
    """Section 3: 14.7 million of the encoder, as many of its mirror image."""
    module = zoo.blueprint("segnet")
    for part in (module.features, nn.ModuleList([module.decoder, module.final])):
        assert sum(isinstance(layer, nn.Conv2d) for layer in part.modules()) == 13
    encoder = sum(p.numel() for p in module.features.parameters())
    assert encoder == 14_714_688 + 2 * (2 * 64 + 2 * 128 + 3 * 256 + 6 * 512)
    assert round(inspected("segnet").parameters / 1e6, 1) == 29.4


def test_the_encoder_takes_the_weights_of_vgg16_bn() -> None:
    expected = {name: t.shape for name, t in zoo.blueprint("vgg16_bn").features.state_dict().items()}
    assert {name: t.shape for name, t in zoo.blueprint("segnet").features.state_dict().items()} == expected


@pytest.mark.parametrize(("height", "width"), [(1, 1), (31, 33), (64, 64), (45, 100), (360, 480)])
def test_every_pixel_of_an_image_of_any_size_is_scored(height: int, width: int) -> None:
    module = zoo.blueprint("segnet").eval()
    assert module(torch.empty(2, 3, height, width, device="meta")).shape == (2, 11, height, width)


def test_maxima_go_back_to_where_they_were_in_the_image() -> None:
    """Through one pooling and its unpooling, at an odd size: all else is zero."""
    module = tiny().eval()
    seen: dict[str, torch.Tensor] = {}
    module.features[5].register_forward_hook(lambda _, __, y: seen.update(before=y.clone()))
    module.decoder[4].register_forward_pre_hook(lambda _, inputs: seen.update(after=inputs[0].clone()))
    module.decoder[3].register_forward_hook(lambda _, __, y: torch.full_like(y, 7.0))
    with torch.no_grad():
        module(torch.rand(1, 3, 9, 7))
    before, after = seen["before"], seen["after"]
    assert before.shape == after.shape == (1, 2, 9, 7)
    padded = nn.functional.pad(before, (0, 1, 0, 1), value=-1.0)
    for row in range(0, 9, 2):
        for column in range(0, 7, 2):
            for channel in range(2):
                window = padded[0, channel, row : row + 2, column : column + 2]
                put_back = nn.functional.pad(after, (0, 1, 0, 1))[0, channel, row : row + 2, column : column + 2]
                assert put_back.flatten()[window.argmax()] == 7.0
                assert put_back.count_nonzero() == 1


@pytest.mark.parametrize("stage", range(5))
def test_the_indices_of_every_pooling_matter(stage: int) -> None:
    torch.manual_seed(0)
    module = SegNet(3, widths=(8, 8, 8, 8, 8))  # in training mode, which keeps the signals' size
    x = torch.rand(2, 3, 64, 64)
    pooling = [layer for layer in module.features if isinstance(layer, nn.MaxPool2d)][stage]

    def elsewhere(_: nn.Module, __: object, found: tuple[torch.Tensor, torch.Tensor]) -> tuple[torch.Tensor, ...]:
        """Each maximum to the same place of its window, the first."""
        values, places = found
        width = 64 >> stage
        rows, columns = places // width // 2 * 2, places % width // 2 * 2
        return values, rows * width + columns

    with torch.no_grad():
        before = module(x)
        pooling.register_forward_hook(elsewhere)
        after = module(x)
    assert (after - before).abs().max() > 0.01 * before.abs().max()


def test_own_gradients_equal_autograds() -> None:
    module = tiny().double()
    result = assert_equals_autograd(module, torch.randn(3, 3, 33, 38, dtype=torch.float64))
    assert set(result.parameters) == {name for name, _ in module.named_parameters()}


def test_every_operator_of_it_has_a_rule_that_autograd_and_finite_differences_confirm() -> None:
    """With biases that are not zero: between unpooled values, rectifiers would stand exactly at their kink."""
    module = randomized(tiny()).eval()
    found = check_gradients(capture(module, torch.zeros(2, 3, 17, 18)), torch.randn(2, 3, 17, 18))
    operators = {one.operator for one in found.operators}
    assert {"aten.max_unpool2d.default", "aten.max_pool2d_with_indices.default"} <= operators
    assert found.passed, str(found)


def test_what_the_encoder_sees_is_known_and_why_it_is_not_behind_an_unpooling() -> None:
    lines = {line.module: line.receptive_field for line in inspected("segnet").modules}
    assert lines["features.43"] == 212  # VGG16 before its linear layers
    assert lines["final"] is None
    assert all(reason.startswith("aten.max_unpool2d.default (unpool)") for reason in inspected("segnet").unsupported)
    assert zoo_graph("segnet").by_name[zoo_graph("segnet").outputs[0]].shape == ("batch", 11, 224, 224)


def test_it_learns_to_outline() -> None:
    torch.manual_seed(0)
    x = torch.rand(4, 3, 20, 20)
    target = (x.mean(1) > 0.5).long()
    seen = losses(SegNet(2, widths=(8, 8, 8, 8, 8)), x, target, rate=0.1, steps=15)
    assert seen[-1] < 0.9 * seen[0]
