import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from convlens.graph.capture import capture
from convlens.graph.cost import cost
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
