"""Regions under torch.no_grad() and autocast: the graph computes what they do, and gradients stop where they stop."""

import copy

import pytest
import torch
from torch import Tensor, nn

from convlens.core.errors import UsageError
from convlens.gradient import backpropagate, check_gradients
from convlens.graph.capture import capture
from convlens.graph.cost import cost
from convlens.graph.receptive_field import Field, receptive_field
from tests.gradient.oracle import assert_equals_autograd, relative_error


class ScaledByItself(nn.Module):
    """Values from under no_grad meet those outside; one of them is its buffer, another one a constant."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.register_buffer("mean", torch.zeros(4))

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv(x)
        with torch.no_grad():
            scale = 1 + y.abs().mean((1, 2, 3), keepdim=True)
            self.mean.mul_(0.9).add_(y.mean((0, 2, 3)), alpha=0.1)
            mask = torch.ones_like(y[0, 0])
            mask[1:] = 2
        return y * mask / scale + self.mean[:, None, None]


class GradientsBackOn(nn.Module):
    """A region with gradients within one without: what is computed there from outside has its gradient."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(4, 4), nn.Linear(4, 4)

    def forward(self, x: Tensor) -> Tensor:
        with torch.no_grad():
            first = self.a(x)
            with torch.enable_grad():
                second = self.b(first) * x
            third = second.exp()
        return first + second + third


class AllWithout(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.frozen, self.head = nn.Linear(4, 4), nn.Linear(4, 2)

    @torch.no_grad()
    def features(self, x: Tensor) -> Tensor:
        return torch.relu(self.frozen(x))

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.features(x))


@pytest.mark.parametrize(
    ("network", "shape"), [(ScaledByItself, (2, 3, 6, 6)), (GradientsBackOn, (2, 4)), (AllWithout, (2, 4))]
)
def test_gradients_stop_where_autograds_do(network: type[nn.Module], shape: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    module, x = network().double(), torch.randn(shape, dtype=torch.float64)
    assert_equals_autograd(module, x)
    assert check_gradients(capture(module, x), x).passed


def test_what_is_seen_comes_through() -> None:
    fields = receptive_field(capture(ScaledByItself(), torch.zeros(2, 3, 6, 6)))
    assert not fields.unsupported
    graph = capture(AllWithout(), torch.zeros(2, 4))
    assert cost(graph).total.multiply_adds == 4 * 4 + 4 * 2
    assert cost(graph).total.backward_multiply_adds == 4 * 2


def test_a_change_that_autograd_does_not_see_is_refused() -> None:
    class Clamped(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear = nn.Linear(4, 4)

        def forward(self, x: Tensor) -> Tensor:
            y = self.linear(x)
            with torch.no_grad():
                y[:, :2].clamp_(0, 1)
            return y * 2

    with pytest.raises(UsageError, match=r"behind the back of autograd.*test_regions\.py:\d+ in forward"):
        capture(Clamped(), torch.zeros(2, 4))


class Mixed(nn.Module):
    """Operators that autocast converts the inputs of, others that it leaves, and regions within regions."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm, self.linear = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            y = self.norm(self.conv(x)).relu()
            pooled = y.mean((2, 3))
            scores = torch.einsum("nc,dc->nd", pooled, self.linear.weight)
            with torch.autocast("cpu", enabled=False):
                exact = self.linear(pooled.float())
            with torch.no_grad():
                still = self.linear(pooled)
        return scores.float() + exact + still


@pytest.mark.parametrize("training", [False, True], ids=["eval", "train"])
def test_autocast_converts_as_it_happens(training: bool) -> None:
    torch.manual_seed(0)
    module, x = Mixed().train(training), torch.randn(3, 3, 8, 8)
    twin = copy.deepcopy(module)
    graph = capture(module, x)
    by_operator = [(node.operator, node.dtype) for node in graph.operators]
    assert ("aten.conv2d.default", torch.bfloat16) in by_operator
    assert ("aten.linear.default", torch.float32) in by_operator
    assert ("aten.linear.default", torch.bfloat16) in by_operator
    result = backpropagate(graph, x)
    expected = twin(x)
    assert torch.equal(result.outputs[0], expected)
    expected.sum().backward()
    for name, parameter in twin.named_parameters():
        assert relative_error(result.parameters[name], parameter.grad) < 0.02, name  # rounded to 8 bits
    found = check_gradients(graph, x)
    assert found.passed, str(found)


def test_autocast_is_seen_through() -> None:
    fields = receptive_field(capture(Mixed().eval(), torch.zeros(2, 3, 8, 8)))
    assert not fields.unsupported
    assert fields.last_feature_map is not None
    assert fields.nodes[fields.last_feature_map] == (Field(size=3, stride=1, offset=0),) * 2
