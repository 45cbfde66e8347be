import pytest
import torch
from torch import Tensor, nn

from convlens.graph.capture import capture
from convlens.graph.cost import cost
from convlens.graph.receptive_field import WHOLE_INPUT, receptive_field
from convlens.graph.run import run
from convlens.graph.shapes import UnknownSizeError, dimension, number


@pytest.mark.parametrize(
    ("size", "expected"), [(7, 7), ("batch", 3), ("49*batch", 147), ("2*batch + 1", 7), ("batch//2", 1), ("-batch", -3)]
)
def test_sizes_are_worked_out(size: int | str, expected: int) -> None:
    assert dimension(size, 3) == expected


@pytest.mark.parametrize("size", ["u0", "f(batch)", "batch.real"])
def test_what_is_not_arithmetic_on_the_batch_is_refused(size: str) -> None:
    with pytest.raises(UnknownSizeError, match="depends on values"):
        dimension(size, 3)


@pytest.mark.parametrize(
    ("size", "expected"), [("IntTrueDiv(1, batch)", 0.25), ("FloatPow(ToFloat(batch), -0.5)", 0.5)]
)
def test_sizes_may_be_fractions(size: str, expected: float) -> None:
    assert number(size, 4) == expected


class Scaled(nn.Module):
    """Multiplies by fractions of the batch size."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(3, 2)

    def forward(self, x: Tensor) -> Tensor:
        n = x.shape[0]
        return self.fc(x.flatten(1) * (1 / n)) + (n + 1) / (2 * n)  # type: ignore[no-any-return]


def test_fractions_of_sizes_are_in_nobodys_way() -> None:
    module = Scaled()
    graph = capture(module, torch.zeros(2, 3, 1, 1))
    x = torch.randn(5, 3, 1, 1)
    torch.testing.assert_close(run(graph, x)[0], module(x))
    assert cost(graph).total.multiply_adds == 6
    assert receptive_field(graph).nodes[graph.outputs[0]] == WHOLE_INPUT
