"""The CIFAR networks against the paper's numbers, and against the names of the published weights."""

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from convlens import zoo
from convlens.core.errors import UsageError
from convlens.zoo.resnet_cifar import DEPTHS, SPAN_DEPTHS, CifarResNet
from tests.graph.nets import zoo_graph
from tests.zoo.inspected import inspected
from tests.zoo.learning import losses

NORM = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")

PUBLISHED = {
    "resnet20": (269_722, 40_551_040),
    "resnet56": (853_018, 125_485_696),
    "resnet110": (1_727_962, 252_887_680),
}
"""Parameters and multiply-adds."""

PARAMETERS = {"resnet32": 464_154, "resnet44": 658_586, "plain56": 853_018, "preact_resnet164": 1_703_258}
"""Table 6 of the paper has 0.46 M and 0.66 M for 32 and 44 layers, the second paper 1.7 M for 164."""


def parameters(name: str) -> int:
    return sum(parameter.numel() for parameter in zoo.blueprint(name).parameters())


@pytest.mark.parametrize("name", PUBLISHED)
def test_costs_are_the_published_ones(name: str) -> None:
    record = inspected(name)
    assert (record.parameters, record.multiply_adds) == PUBLISHED[name]


@pytest.mark.parametrize("name", PARAMETERS)
def test_parameters_of_the_others(name: str) -> None:
    assert parameters(name) == PARAMETERS[name]


@pytest.mark.parametrize("depth", DEPTHS)
def test_projections_cost_what_their_kernels_and_norms_hold(depth: int) -> None:
    plain, num_blocks = parameters(f"plain{depth}"), (depth - 2) // 6
    between = 16 * 32 + 2 * 32 + 32 * 64 + 2 * 64
    within = num_blocks * (16 * 16 + 2 * 16) + (num_blocks - 1) * (32 * 32 + 2 * 32 + 64 * 64 + 2 * 64)
    assert parameters(f"resnet{depth}") == plain
    assert parameters(f"resnet{depth}_b") == plain + between
    assert parameters(f"resnet{depth}_c") == plain + between + within


@pytest.mark.parametrize("name", ["resnet20", "plain20", "preact_resnet20", "resnet20_span1", "resnet20_span3"])
def test_the_receptive_field_is_that_of_the_longest_path(name: str) -> None:
    """3 of the first layer, 6 layers at stride 1, then 1 and 5 at strides 1 and 2, 1 and 5 at strides 2 and 4."""
    assert inspected(name).receptive_field == 3 + 2 * (6 + 1 + 5 * 2 + 2 + 5 * 4) == 81


def published_shapes(depth: int) -> dict[str, tuple[int, ...]]:
    """Names and shapes of the weights in akamaster/pytorch_resnet_cifar10."""

    def norm(path: str, channels: int) -> dict[str, tuple[int, ...]]:
        return {f"{path}.{part}": () if part == "num_batches_tracked" else (channels,) for part in NORM}

    shapes = {"conv1.weight": (16, 3, 3, 3), **norm("bn1", 16)}
    channels = 16
    for stage, width in ((1, 16), (2, 32), (3, 64)):
        for block in range((depth - 2) // 6):
            for i in (1, 2):
                path = f"layer{stage}.{block}"
                shapes |= {f"{path}.conv{i}.weight": (width, channels, 3, 3), **norm(f"{path}.bn{i}", width)}
                channels = width
    return {**shapes, "linear.weight": (10, 64), "linear.bias": (10,)}


@pytest.mark.parametrize("depth", DEPTHS)
def test_names_and_shapes_are_those_of_the_published_weights(depth: int) -> None:
    state = zoo.blueprint(f"resnet{depth}").state_dict()
    assert {name: tuple(tensor.shape) for name, tensor in state.items()} == published_shapes(depth)


@pytest.mark.parametrize("prefix", ["module.", ""])
def test_a_checkpoint_in_the_published_form_loads(tmp_path: Path, prefix: str) -> None:
    """The state of a network under DataParallel, and the best precision: here with values of our own."""
    torch.manual_seed(0)
    state = {
        name: torch.zeros(shape, dtype=torch.long) if name.endswith("tracked") else torch.rand(shape) + 0.1
        for name, shape in published_shapes(56).items()
    }
    checkpoint = {"state_dict": {f"{prefix}{name}": value for name, value in state.items()}, "best_prec1": 93.39}
    torch.save(checkpoint, tmp_path / "resnet56.th")
    module = zoo.network("resnet56", weights=tmp_path / "resnet56.th")
    loaded = module.state_dict()
    assert all(torch.equal(loaded[name], state[name]) for name in state)
    assert module.eval()(torch.rand(2, 3, 32, 32)).shape == (2, 10)


def test_the_card_has_the_preprocessing_of_the_published_weights() -> None:
    preprocessing = zoo.card("resnet56").preprocessing
    assert (preprocessing.size, preprocessing.resize) == (32, 32)
    assert (preprocessing.mean, preprocessing.std) == ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


def test_every_variant_has_a_name() -> None:
    forms = ("resnet{}", "resnet{}_b", "resnet{}_c", "plain{}", "preact_resnet{}")
    expected = {form.format(depth) for form in forms for depth in DEPTHS}
    expected |= {f"resnet{depth}_span{span}" for depth in SPAN_DEPTHS for span in (1, 3)} | {"preact_resnet164"}
    assert expected <= set(zoo.names())


def sums(name: str) -> int:
    """How often a network adds two feature maps."""
    return sum(node.operator.startswith("aten.add") for node in zoo_graph(name).operators)


@pytest.mark.parametrize(
    ("name", "shortcuts"),
    [("plain20", 0), ("resnet20_span1", 18), ("resnet20", 9), ("preact_resnet20", 9), ("resnet20_span3", 6)],
)
def test_shortcuts_span_as_many_layers_as_the_name_says(name: str, shortcuts: int) -> None:
    convolutions = sum(node.operator == "aten.conv2d.default" for node in zoo_graph(name).operators)
    assert (convolutions, sums(name)) == (19, shortcuts)


@pytest.mark.parametrize(("depth", "span", "step"), [(21, 2, 6), (32, 3, 9), (2, 1, 3)])
def test_depths_that_are_no_whole_blocks_are_refused(depth: int, span: int, step: int) -> None:
    with pytest.raises(UsageError, match=f"no network of depth {depth} .* 2 more than a multiple of {step}"):
        CifarResNet(10, depth=depth, span=span)


def test_weights_start_as_he_draws_them() -> None:
    torch.manual_seed(0)
    weight = zoo.network("resnet56").layer3[5].conv1.weight
    assert weight.std().item() == pytest.approx((2 / (64 * 9)) ** 0.5, rel=0.02)
    assert weight.mean().abs() < 1e-3


FORMS: dict[str, dict[str, object]] = {
    "option A": {},
    "option B": {"shortcut": "B"},
    "option C": {"shortcut": "C"},
    "plain": {"shortcut": None},
    "span 1": {"span": 1},
    "pre-activation": {"pre_activation": True},
}


@pytest.mark.parametrize("form", FORMS)
def test_ten_steps_lower_the_loss(form: str) -> None:
    torch.manual_seed(0)
    module = CifarResNet(10, depth=8, **FORMS[form])  # type: ignore[arg-type]
    seen = losses(module, torch.randn(8, 3, 16, 16), torch.arange(8), rate=0.05)
    assert seen[-1] < 0.5 * seen[0]


def test_a_signal_passes_all_identities_of_the_pre_activation_form() -> None:
    """With residuals of zero, what enters the second block of a stage leaves its last one."""
    module = zoo.network("preact_resnet20").eval()
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.zeros_(layer.weight)
    x: Tensor = torch.randn(2, 16, 8, 8)
    assert torch.equal(module.layer1[1:](x), x)
