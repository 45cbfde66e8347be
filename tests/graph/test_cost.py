import pytest
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from convlens.graph.capture import capture
from convlens.graph.cost import cost
from convlens.ops import TABLE
from convlens.zoo import blueprint
from tests.graph.nets import Dense, Residual, zoo_graph

PUBLISHED = {
    "alexnet": (61_100_840, 714_188_480),
    "vgg11": (132_863_336, 7_609_090_048),
    "vgg16": (138_357_544, 15_470_264_320),
    "resnet18": (11_689_512, 1_814_073_344),
    "resnet50": (25_557_032, 4_089_184_256),
    "resnet152": (60_192_808, 11_513_626_624),
    "densenet121": (7_978_856, 2_834_161_664),
    "densenet201": (20_013_928, 4_291_365_888),
}
"""Parameters and multiply-adds at 224 pixels, from the papers and model cards."""


@pytest.mark.parametrize("name", PUBLISHED)
def test_costs_are_the_published_ones(name: str) -> None:
    total = cost(zoo_graph(name)).total
    assert (total.parameters, total.multiply_adds) == PUBLISHED[name]
    assert total.parameter_bytes == 4 * total.parameters


@pytest.mark.parametrize("name", ["alexnet", "densenet121", "house", "resnet18", "resnet50", "vgg11_bn"])
def test_forward_and_backward_are_half_of_torchs_flops(name: str) -> None:
    module = blueprint(name).train()
    x = torch.zeros(3, 3, 64, 64, device="meta")
    total = cost(capture(module, x), batch=3).total
    with FlopCounterMode(display=False) as forward:
        y = module(x)
    with FlopCounterMode(display=False) as backward:
        y.sum().backward()
    assert total.multiply_adds == forward.get_total_flops() / 2
    assert total.backward_multiply_adds == backward.get_total_flops() / 2


@pytest.mark.parametrize("name", PUBLISHED)
def test_nothing_in_the_zoo_is_unsupported(name: str) -> None:
    assert cost(zoo_graph(name)).unsupported == ()


def test_costs_grow_with_the_batch_but_parameters_do_not() -> None:
    graph = capture(Residual().eval(), torch.zeros(2, 3, 6, 6))
    one, five = cost(graph).total, cost(graph, batch=5).total
    assert five.multiply_adds == 5 * one.multiply_adds
    assert five.activation_bytes == 5 * one.activation_bytes
    assert five.parameters == one.parameters == sum(p.numel() for p in Residual().parameters())


def test_the_modules_add_up_and_one_is_as_worked_out_by_hand() -> None:
    costs = cost(capture(Residual().eval(), torch.zeros(2, 3, 6, 6)))
    assert costs.of_module("conv1").multiply_adds == 6 * 6 * 4 * 3 * 9
    assert costs.of_module("conv1").activation_bytes == 6 * 6 * 4 * 4
    assert costs.of_module("fc").parameters == 16 * 3 + 3
    parts = ("conv1", "bn1", "relu", "conv2", "bn2", "dropout", "fc")
    assert sum(costs.of_module(path).parameters for path in parts) == costs.total.parameters


class Tied(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(4, 4, bias=False)
        self.second = nn.Linear(4, 4, bias=False)
        self.second.weight = self.first.weight

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.second(torch.relu(self.first(x)))  # type: ignore[no-any-return]


def test_tied_parameters_count_once() -> None:
    total = cost(capture(Tied(), torch.zeros(2, 4))).total
    assert (total.parameters, total.multiply_adds) == (16, 32)


class Sorts(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.sort(x).values


def test_an_operator_outside_the_table_is_named() -> None:
    assert "aten.sort.default" in cost(capture(Sorts(), torch.zeros(2, 4))).unsupported


class Outer(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.einsum("ni,ni,ni->ni", x, x, x)


def test_a_call_that_has_no_rule_is_named_and_the_rest_is_counted() -> None:
    costs = cost(capture(nn.Sequential(nn.Linear(4, 4), Outer()), torch.zeros(2, 4)))
    assert costs.total.multiply_adds == 16
    (reason,) = costs.unsupported
    assert reason.startswith("aten.einsum has no rule for 'ni,ni,ni->ni' with 3 operands.")


def test_a_concatenation_counts_no_multiply_adds() -> None:
    costs = cost(capture(Dense().eval(), torch.zeros(2, 3, 6, 6)))
    assert all(costs.nodes[name].multiply_adds == 0 for name in costs.nodes if name.startswith("cat"))


class Recurrent(nn.Module):
    """A recurrent network over a sequence, or one step of a cell, without its states."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, x: Tensor) -> Tensor:
        y = self.inner(x)
        return y[0] if isinstance(y, tuple) else y  # type: ignore[no-any-return]


RECURRENT = {
    "one layer": (lambda kind: kind(4, 5, batch_first=True), (2, 7, 4)),
    "two layers both ways": (lambda kind: kind(4, 5, num_layers=2, bidirectional=True, batch_first=True), (2, 7, 4)),
    "without bias": (lambda kind: kind(4, 5, bias=False, bidirectional=True, batch_first=True), (2, 3, 4)),
}


@pytest.mark.filterwarnings("ignore:The tensor attributes")
@pytest.mark.parametrize("form", RECURRENT)
@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU, nn.RNN])
def test_recurrent_networks_cost_half_of_torchs_flops(kind: type[nn.Module], form: str) -> None:
    build, shape = RECURRENT[form]
    equals_torchs_count(Recurrent(build(kind)), torch.randn(shape))


@pytest.mark.filterwarnings("ignore:The tensor attributes", "ignore:LSTM with projections is not supported")
def test_projections_of_recurrent_networks_are_counted() -> None:
    equals_torchs_count(Recurrent(nn.LSTM(4, 5, num_layers=2, proj_size=3, batch_first=True)), torch.randn(2, 7, 4))


@pytest.mark.parametrize("kind", [nn.LSTMCell, nn.GRUCell, nn.RNNCell])
def test_recurrent_cells_cost_half_of_torchs_flops(kind: type[nn.Module]) -> None:
    equals_torchs_count(Recurrent(kind(4, 5)), torch.randn(2, 4))


def equals_torchs_count(module: nn.Module, x: Tensor) -> None:
    """Forward and backward."""
    costs = cost(capture(module, x), batch=2)
    assert costs.unsupported == ()
    module, x = module.double(), x.double()  # in single precision torch runs a kernel that it does not count
    with FlopCounterMode(display=False) as forward:
        y = module(x)
    with FlopCounterMode(display=False) as backward:
        y.sum().backward()
    assert costs.total.multiply_adds == forward.get_total_flops() / 2
    assert costs.total.backward_multiply_adds == backward.get_total_flops() / 2


def test_a_bilinear_layer_multiplies_each_weight_once() -> None:
    class Both(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = nn.Bilinear(4, 3, 5)

        def forward(self, x: Tensor, y: Tensor) -> Tensor:
            z: Tensor = self.inner(x, y)
            return z

    costs = cost(capture(Both(), torch.randn(2, 4), torch.randn(2, 3)))
    assert costs.total.multiply_adds == costs.total.backward_multiply_adds == 4 * 3 * 5
    assert costs.unsupported == ()


UNKNOWN = {
    "aten.fft_rfft2.default": lambda x: torch.fft.rfft2(x).abs(),
    "aten.cdist.default": lambda x: torch.cdist(x, x),
    "aten.linalg_det.default": torch.linalg.det,
    "aten.real.default": lambda x: torch.exp(1j * x).real,
}


@pytest.mark.parametrize("name", UNKNOWN)
def test_operators_without_a_rule_are_listed_and_not_taken_for_nothing(name: str) -> None:
    graph = capture(UNKNOWN[name], torch.randn(2, 3, 3))
    assert name in cost(graph).unsupported
    listed = {node.operator for node in graph.operators if node.operator not in TABLE}
    assert set(cost(graph).unsupported) == listed


class BehindAMask(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(4, 4), nn.Linear(1, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.first(x)
        return self.second(y[y > 0].unsqueeze(1))


def test_what_has_a_size_that_depends_on_values_is_named_and_the_rest_is_counted() -> None:
    costs = cost(capture(BehindAMask(), torch.ones(2, 4), compare=False))
    assert costs.total.multiply_adds == 16
    assert {name.partition(" of a size")[0] for name in costs.unsupported} >= {
        "aten.index.Tensor",
        "aten.linear.default",
    }
    assert costs.total.parameters == 4 * 4 + 4 + 2 + 2


def test_no_gradient_is_counted_through_what_is_detached() -> None:
    class Frozen(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = nn.Linear(4, 4), nn.Linear(4, 2)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.second(self.first(x).detach())

    assert cost(capture(Frozen(), torch.ones(2, 4))).total.backward_multiply_adds == 8
