"""A captured graph is compared with its module, and what only looked alike for a batch of two is refused."""

import random
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from convlens.core.errors import UsageError
from convlens.graph.capture import capture
from convlens.graph.run import run
from tests.graph.nets import Residual


class Computing(nn.Module):
    """Whatever the function computes, with a layer and a buffer."""

    def __init__(self, function: Callable[["Computing", Tensor], Tensor]) -> None:
        super().__init__()
        self.function = function
        self.layer = nn.Linear(4, 4)
        self.calls = 0
        self.register_buffer("seen", torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        return self.function(self, x)


def branches(module: Computing, x: Tensor) -> Tensor:
    y: Tensor = module.layer(x)
    if x.shape[0] > 1:
        y = y - y.mean(0)
    return y


def squeezes(module: Computing, x: Tensor) -> Tensor:
    return x.mean(1) if x.size(0) == 1 else x.mean(1) * 2


def keeps_in_python(module: Computing, x: Tensor) -> Tensor:
    module.calls += 1
    return x * module.calls


def draws_outside_of_torch(module: Computing, x: Tensor) -> Tensor:
    return x * random.random()


def other_shape_alone(module: Computing, x: Tensor) -> Tensor:
    return x if x.shape[0] >= 2 else x[:, :1]


REFUSED = {
    branches: r"for a batch of 1 \(values differ by .*It branches on a size at .*test_comparison\.py:\d+ in branches",
    squeezes: r"for a batch of 1 \(values differ by .*test_comparison\.py:\d+ in squeezes",
    other_shape_alone: r"for a batch of 1 \(\(1, 4\) torch\.float32 instead of \(1, 1\)",
    keeps_in_python: r"for a batch of 3 \(values differ by .*values kept between calls",
    draws_outside_of_torch: r"for a batch of 2 \(values differ by .*numbers drawn outside of torch",
}


@pytest.mark.filterwarnings("ignore:The tensor attribute")
@pytest.mark.parametrize("function", REFUSED)
@pytest.mark.parametrize("example", [torch.zeros(2, 4), torch.rand(1, 4)], ids=["zeros", "one row"])
def test_what_a_graph_freezes_is_refused(function: Callable[[Computing, Tensor], Tensor], example: Tensor) -> None:
    with pytest.raises(UsageError, match=rf"cannot capture Computing: .*{REFUSED[function]}"):
        capture(Computing(function), example)
    assert capture(Computing(function), example, compare=False).outputs


def of_the_whole_batch(module: Computing, x: Tensor) -> Tensor:
    y: Tensor = module.layer(x)
    return y - y.mean(0)


def counts_in_a_buffer(module: Computing, x: Tensor) -> Tensor:
    assert isinstance(module.seen, Tensor)
    module.seen.add_(1)
    return x * module.seen


def drops_and_draws(module: Computing, x: Tensor) -> Tensor:
    return nn.functional.dropout(x, 0.5) + torch.rand(4)


def not_a_number(module: Computing, x: Tensor) -> Tensor:
    return x.log() / (x - x)


@pytest.mark.parametrize("function", [of_the_whole_batch, counts_in_a_buffer, drops_and_draws, not_a_number])
def test_what_is_alike_is_captured_and_leaves_no_trace(function: Callable[[Computing, Tensor], Tensor]) -> None:
    module = Computing(function)
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    drawn = torch.get_rng_state()
    capture(module, torch.zeros(2, 4))
    assert torch.equal(torch.get_rng_state(), drawn)
    torch.testing.assert_close(module.state_dict(), before, rtol=0, atol=0)


def test_training_mode_is_compared_without_a_trace_and_where_the_module_takes_the_batch() -> None:
    """Batch normalization in training refuses a batch of one value for each channel."""
    module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Dropout(), nn.Flatten()).train()
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    graph = capture(module, torch.zeros(2, 3, 3, 3))
    torch.testing.assert_close(module.state_dict(), before, rtol=0, atol=0)
    assert graph.state["1.running_mean"] is module.get_buffer("1.running_mean")


def test_integers_keep_their_range_and_several_inputs_their_batches() -> None:
    class Looked(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.table = nn.Embedding(5, 4)

        def forward(self, index: Tensor, x: Tensor) -> Tensor:
            y: Tensor = self.table(index).sum(1)
            return y + x

    index, x = torch.tensor([[0, 4, 1], [2, 2, 3]]), torch.zeros(2, 4)
    module = Looked()
    torch.testing.assert_close(run(capture(module, index, x), index, x)[0], module(index, x))


def test_a_wrong_operator_is_found_at_a_fixed_batch_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("convlens.graph.functional_twin._twin", lambda target: torch.ops.aten.sigmoid.default)
    with pytest.raises(UsageError, match=r"something else than the module \(values differ by"):
        capture(lambda x: (x * 2).relu_(), torch.ones(2, 3))


def test_modules_without_values_are_captured() -> None:
    with torch.device("meta"):
        module = Residual()
    assert capture(module.eval(), torch.zeros(2, 3, 6, 6, device="meta")).operators
