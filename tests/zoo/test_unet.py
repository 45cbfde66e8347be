"""U-Net: sizes, counts, skips, beginnings and gradients."""

import pytest
import torch
from torch import nn

from convlens import zoo
from convlens.graph.receptive_field import receptive_field
from convlens.zoo.structure import structure
from convlens.zoo.unet import UNet
from tests.gradient.oracle import assert_equals_autograd
from tests.graph.nets import zoo_graph
from tests.zoo.inspected import inspected
from tests.zoo.learning import losses


def tiny(classes: int = 3) -> UNet:
    torch.manual_seed(0)
    return UNet(classes, width=2)


def test_it_has_23_convolutional_layers_and_31_million_parameters() -> None:
    """Section 2; the number follows from the widths of figure 1, here for three colors instead of gray."""
    module = zoo.blueprint("unet")
    layers = [layer for layer in module.modules() if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d)]
    assert len(layers) == 23
    widths = [64, 128, 256, 512, 1024]
    down = sum(9 * (a * b + b * b) + 2 * b for a, b in zip([1, *widths], widths, strict=False))
    up = sum(4 * 2 * b * b + b + 9 * (2 * b * b + b * b) + 2 * b for b in widths[:-1])
    gray = structure(lambda classes: UNet(classes, in_channels=1), 2)
    assert sum(p.numel() for p in gray.parameters()) == down + up + 64 * 2 + 2 == 31_030_658
    assert inspected("unet").parameters == 31_030_658 + 2 * 9 * 64


@pytest.mark.parametrize(("height", "width"), [(1, 1), (2, 17), (33, 47), (64, 64), (572, 572)])
def test_every_pixel_of_an_image_of_any_size_is_scored(height: int, width: int) -> None:
    module = zoo.blueprint("unet").eval()
    assert module(torch.empty(2, 3, height, width, device="meta")).shape == (2, 2, height, width)


def test_the_contracting_path_sees_140_pixels() -> None:
    """Two 3x3 at each of five strides, and a 2x2 between them: 1 + 4 (1 + 2 + 4 + 8 + 16) + (1 + 2 + 4 + 8)."""
    graph = zoo_graph("unet")
    fields = receptive_field(graph)
    bottom = [node for node in graph.operators if node.module.startswith("contracting.4")][-1]
    seen = fields.nodes[bottom.name]
    assert isinstance(seen, tuple)
    assert {(axis.size, axis.stride) for axis in seen} == {(140, 16)}
    assert all("changes with its phase" in reason for reason in fields.unsupported.values())


@pytest.mark.parametrize("level", range(4))
def test_the_skip_of_every_level_matters(level: int) -> None:
    """A change of one place of what the expanding path reads from it changes the scores there."""
    module = tiny().eval()
    x, channels = torch.rand(1, 3, 64, 24), 2 << level

    def disturbed(_: nn.Module, inputs: tuple[torch.Tensor]) -> tuple[torch.Tensor]:
        joined = inputs[0].clone()
        joined[:, :channels, 0, 0] += 1.0
        return (joined,)

    with torch.no_grad():
        before = module(x)
        module.expanding[3 - level].register_forward_pre_hook(disturbed)
        touched = (module(x) - before).abs().amax((0, 1)) > 1e-6
    assert touched[: 1 << level, : 1 << level].any()
    assert not touched[5 << level :].any()


def test_skips_stand_first_and_up_convolutions_are_cropped_to_them() -> None:
    """An image of 5 x 3 pixels at the first level: 3 x 2 below, whose 6 x 4 lose their last row and column."""
    module = tiny().eval()
    seen: dict[str, torch.Tensor] = {}
    for name in ("contracting.0", "up.3"):
        module.get_submodule(name).register_forward_hook(lambda _, __, y, name=name: seen.update({name: y}))
    module.expanding[3].register_forward_pre_hook(lambda _, inputs: seen.update(joined=inputs[0]))
    with torch.no_grad():
        module(torch.rand(1, 3, 5, 3))
    assert seen["up.3"].shape == (1, 2, 6, 4)
    assert torch.equal(seen["joined"][:, :2], seen["contracting.0"])
    assert torch.equal(seen["joined"][:, 2:], seen["up.3"][..., :5, :3])


def test_signals_keep_their_size_at_first() -> None:
    """Of He et al.'s values: through 23 layers without normalization the scores neither vanish nor explode."""
    torch.manual_seed(0)
    with torch.no_grad():
        y = UNet(2, width=16).eval()(torch.randn(2, 3, 64, 64))
    assert 0.1 < y.std() < 10


def test_own_gradients_equal_autograds() -> None:
    module = tiny().double().eval()
    result = assert_equals_autograd(module, torch.randn(2, 3, 19, 22, dtype=torch.float64))
    assert set(result.parameters) == {name for name, _ in module.named_parameters()}


def test_it_learns_to_outline() -> None:
    torch.manual_seed(0)
    x = torch.rand(2, 3, 20, 20)
    target = (x.mean(1) > 0.5).long()
    module = UNet(2, width=8)
    module.dropout.p = 0.0
    seen = losses(module, x, target, rate=0.02, steps=15)
    assert seen[-1] < 0.9 * seen[0]
