"""The dilated networks: what they see, how they start, and that they learn."""

import itertools

import pytest
import torch
from torch import nn

from convlens import zoo
from convlens.graph.capture import capture
from convlens.graph.receptive_field import Field, receptive_field
from convlens.layers.dilated import identity_
from convlens.zoo.causal_stack import CausalStack
from convlens.zoo.context_module import ContextModule
from convlens.zoo.dilated_vgg import DilatedVGG
from convlens.zoo.structure import structure
from convlens.zoo.vgg import D, stages, state_from_vgg16
from tests.graph.nets import zoo_graph
from tests.zoo.inspected import inspected
from tests.zoo.learning import losses


def sizes_after(name: str, operator: str) -> list[int]:
    """Receptive fields, in pixels, of all results of an operator, in order."""
    graph = zoo_graph(name)
    fields = receptive_field(graph)
    assert not fields.unsupported
    seen = [fields.nodes[node.name] for node in graph.operators if node.operator == operator]
    return [field[0].size for field in seen if isinstance(field, tuple)]


@pytest.mark.parametrize("stacks", [1, 2, 3])
def test_causal_stacks_see_1023_steps_each_and_the_present(stacks: int) -> None:
    module = structure(lambda classes: CausalStack(classes, stacks=stacks, in_channels=1), 4).eval()
    graph = capture(module, torch.zeros(2, 1, 50, device="meta"))
    assert receptive_field(graph).nodes[graph.outputs[0]] == (
        Field(size=1023 * stacks + 1, stride=1, offset=-1023 * stacks),
    )


def test_a_causal_stack_depends_on_nothing_that_comes_later() -> None:
    torch.manual_seed(0)
    module = CausalStack(3, in_channels=2, channels=4, skip_channels=5).double().eval()
    x = torch.randn(1, 2, 1100, dtype=torch.float64, requires_grad=True)
    time = 1050
    module(x)[0, :, time].sum().backward()
    assert x.grad is not None
    touched = x.grad[0].abs().sum(0).nonzero().flatten()
    assert (int(touched.min()), int(touched.max())) == (time - 1023, time)
    changed = x.detach().clone()
    changed[:, :, time + 1 :] = torch.randn(1, 2, 1099 - time)
    torch.testing.assert_close(module(changed)[..., : time + 1], module(x)[..., : time + 1])
    assert not torch.allclose(module(changed)[..., time + 1 :], module(x)[..., time + 1 :])


def test_a_gated_layer_is_as_the_paper_writes_it() -> None:
    torch.manual_seed(0)
    module = CausalStack(3, in_channels=2, channels=4, skip_channels=5)
    layer = module.layers[2]
    x = torch.randn(2, 4, 9)
    past = torch.cat([torch.zeros(2, 4, 4), x[..., :-4]], dim=-1)

    def convolved(convolution: nn.Conv1d) -> torch.Tensor:
        earlier, present = convolution.weight.unbind(-1)
        return earlier @ past + present @ x + convolution.bias[:, None]

    z = torch.tanh(convolved(layer.filter)) * torch.sigmoid(convolved(layer.gate))
    residual, skip = layer(x)
    torch.testing.assert_close(residual, x + layer.residual.weight[..., 0] @ z + layer.residual.bias[:, None])
    torch.testing.assert_close(skip, layer.skip.weight[..., 0] @ z + layer.skip.bias[:, None])


def test_a_causal_stack_learns() -> None:
    torch.manual_seed(0)
    sound = torch.randint(0, 8, (4, 65))
    x = nn.functional.one_hot(sound[:, :-1], 8).mT.float()
    seen = losses(CausalStack(8, in_channels=8, channels=16, skip_channels=16), x, sound[:, :-1], rate=0.2)
    assert seen[-1] < 0.9 * seen[0]


@pytest.mark.parametrize("name", ["context_module", "context_module_large"])
def test_the_context_module_sees_what_table_1_says(name: str) -> None:
    assert sizes_after(name, "aten.conv2d.default") == [3, 5, 9, 17, 33, 65, 67, 67]


def test_the_context_module_costs_what_its_channels_say() -> None:
    """Basic: seven times 21 x 21 x 3 x 3 and one 21 x 21, with biases: about 64 C² (section 3)."""
    assert inspected("context_module").parameters == 21 * 21 * (7 * 9 + 1) + 8 * 21
    widths = (21, 42, 42, 84, 168, 336, 672, 672)
    kernels = sum(9 * a * b + b for a, b in itertools.pairwise(widths))
    assert inspected("context_module_large").parameters == kernels + 672 * 21 + 21


def test_a_new_context_module_hands_maps_on_as_they_are() -> None:
    x = torch.rand(2, 21, 12, 9)
    with torch.no_grad():
        assert torch.equal(zoo.network("context_module")(x), x)


def test_a_new_large_context_module_does_so_but_for_its_noise() -> None:
    torch.manual_seed(0)
    x = torch.rand(2, 21, 8, 9)
    with torch.no_grad():
        error = zoo.network("context_module_large")(x) - x
    assert 0 < error.square().mean().sqrt() < 0.01
    assert error.abs().max() < 0.04


def test_the_large_one_without_noise_is_the_identity_up_to_rounding() -> None:
    module = ContextModule((2, 2, 4, 8, 16, 32, 32), 21)
    x = torch.rand(1, 21, 9, 8)
    with torch.no_grad():
        torch.testing.assert_close(module(x), x, rtol=1e-5, atol=1e-6)


def test_for_other_classes_the_last_layer_of_a_context_module_is_random() -> None:
    torch.manual_seed(0)
    module = zoo.network("context_module", classes=7)
    x = torch.rand(1, 21, 6, 5)
    with torch.no_grad():
        assert torch.equal(module.layers(x), x)
    assert module.final.weight.std().item() == pytest.approx((2 / 21) ** 0.5, rel=0.2)


def test_identity_weights_by_the_equations() -> None:
    """Equation 5 for C = 2, from 4 channels to 8: 2 / 8 within a group, noise of 0.1 x 2 / 8 elsewhere; equation 4."""
    torch.manual_seed(0)
    wide = nn.Conv2d(4, 8, 3)
    identity_(wide, maps=2, noise=0.1)
    within = torch.block_diag(torch.ones(4, 2), torch.ones(4, 2)).bool()
    center = wide.weight[:, :, 1, 1]
    assert (center[within] == 0.25).all()
    rest = torch.cat([center[~within], wide.weight.flatten(2)[:, :, [0, 1, 2, 3, 5, 6, 7, 8]].flatten()])
    assert rest.std().item() == pytest.approx(0.025, rel=0.15)
    plain = nn.Conv2d(4, 4, 3)
    identity_(plain, maps=4)
    assert torch.equal(plain.weight[:, :, 1, 1], torch.eye(4))
    assert plain.weight.count_nonzero() == 4
    assert not plain.bias.any()


@pytest.mark.parametrize("widths", [(1,) * 7, (2, 2, 4, 4, 4, 4, 4)])
def test_context_modules_learn(widths: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    x = torch.rand(2, 21, 8, 8)
    target = x.roll(1, dims=3).argmax(1)
    seen = losses(ContextModule(widths, 21, noise=1e-3), x, target, rate=0.02)
    assert seen[-1] < seen[0] - 0.02
    assert seen == sorted(seen, reverse=True)


def test_the_front_end_sees_380_pixels_at_one_eighth_of_the_resolution() -> None:
    """VGG16's 44 behind its third pooling, 3 layers at stride 8, 3 twice as wide, and 7 x 7 places, 4 apart."""
    sizes = sizes_after("dilated_vgg16", "aten.conv2d.default")
    assert sizes[-1] == 44 + 8 * (3 * 2 + 3 * 2 * 2 + 6 * 4) == 380
    graph = zoo_graph("dilated_vgg16")
    assert graph.by_name[graph.outputs[0]].shape == ("batch", 21, 28, 28)


def test_the_front_end_takes_the_weights_of_vgg16() -> None:
    """All of them, as they are but for the shapes of the linear layers."""
    vgg = {name: torch.empty(t.shape, device="meta") for name, t in zoo.blueprint("vgg16").state_dict().items()}
    shapes = {name: tensor.shape for name, tensor in state_from_vgg16(vgg).items()}
    module = structure(DilatedVGG, 1000)
    assert shapes == {name: tensor.shape for name, tensor in module.state_dict().items()}
    assert shapes["classifier.0.weight"] == (4096, 512, 7, 7)


def test_the_reshaped_linear_layer_computes_the_same_where_it_sees_the_same() -> None:
    """A kernel of 7 x 7 places that stand 1 apart, on a map of 7 x 7, is VGG16's linear layer."""
    torch.manual_seed(0)
    linear = nn.Linear(512 * 49, 3)
    kernel = state_from_vgg16({"classifier.0.weight": linear.weight})["classifier.0.weight"]
    x = torch.randn(2, 512, 7, 7)
    y = nn.functional.conv2d(x, kernel, linear.bias)
    torch.testing.assert_close(y.flatten(1), linear(x.flatten(1)), rtol=1e-4, atol=1e-4)


def test_vgg16s_convolutions_load_by_name_and_compute_the_same_before_the_fourth_pooling() -> None:
    torch.manual_seed(0)
    vgg, module = stages(D), DilatedVGG(5, hidden=8).eval()
    module.features.load_state_dict(vgg.state_dict())
    x = torch.randn(1, 3, 32, 32)
    with torch.no_grad():
        assert torch.equal(module.features[:23](x), vgg[:23](x))
        assert (module.features(x).shape, vgg(x).shape) == ((1, 512, 4, 4), (1, 512, 1, 1))


def test_the_front_end_learns() -> None:
    torch.manual_seed(0)
    module = DilatedVGG(4, hidden=32)
    module.classifier[2].p = module.classifier[5].p = 0.0
    target = torch.arange(4).repeat(2).reshape(2, 2, 2)
    seen = losses(module, torch.randn(2, 3, 16, 16), target, rate=0.01)
    assert seen == sorted(seen, reverse=True)
    assert seen[-1] < 0.98 * seen[0]
