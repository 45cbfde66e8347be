"""Random chains of views and in-place writes: the captured forward equals eager, or the capture is refused."""

from collections import Counter
from collections.abc import Callable, Mapping

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from convlens.core.errors import UsageError
from convlens.graph.capture import capture
from convlens.graph.run import run

Instruction = tuple[str, int, int]
"""What to do, to which of the values so far, and a number that chooses among its forms."""


def axis(value: Tensor, choice: int) -> int:
    """An axis other than the batch."""
    return 1 + choice % (value.ndim - 1) if value.ndim > 1 else 0


def item(parts: tuple[Tensor, ...], choice: int) -> Tensor:
    return parts[choice % len(parts)]


VIEWS: Mapping[str, Callable[[Tensor, int], Tensor]] = {
    "chunk": lambda v, k: item(v.chunk(2, axis(v, k)), k // 2),
    "split": lambda v, k: item(v.split(1, axis(v, k)), k),  # type: ignore[no-untyped-call]
    "split_with_sizes": lambda v, k: item(v.split([1, v.shape[axis(v, k)] - 1], axis(v, k)), k // 2),  # type: ignore[no-untyped-call]
    "tensor_split": lambda v, k: item(v.tensor_split(2, axis(v, k)), k // 2),
    "unbind": lambda v, k: item(v.unbind(axis(v, k)), k // 2) if v.ndim > 1 else v,
    "select": lambda v, k: v.select(axis(v, k), 0) if v.ndim > 1 else v,
    "slice": lambda v, k: v[:, 1:] if v.ndim > 1 and v.shape[1] > 1 else v,
    "transpose": lambda v, k: v.transpose(axis(v, k), axis(v, k // 2)),
    "flatten": lambda v, k: v.flatten(1) if v.ndim > 1 else v,
    "reshape": lambda v, k: v.reshape(v.shape[0], -1),
    "atleast_3d": lambda v, k: torch.atleast_3d(v) if v.ndim > 1 else v,  # type: ignore[no-untyped-call]
    "channel_shuffle": lambda v, k: torch.channel_shuffle(v.flatten(1)[:, :, None, None], 1) if v.ndim > 1 else v,
    "detach": lambda v, k: v.detach(),
    "broadcast": lambda v, k: item(torch.broadcast_tensors(v, v.clone()), k),  # type: ignore[no-untyped-call]
}
PERHAPS_COPIES: Mapping[str, Callable[[Tensor, int], Tensor]] = {
    "contiguous": lambda v, k: v.contiguous(),
    "float": lambda v, k: v.float(),
    "dropout": lambda v, k: nn.functional.dropout(v, 0.5, False),
    "double": lambda v, k: v * k,
    "relu": lambda v, k: v.relu(),
}
WRITES: Mapping[str, Callable[[Tensor, int], Tensor]] = {
    "mul_": lambda v, k: v.mul_(1 + k / 4),
    "add_": lambda v, k: v.add_(k, alpha=0.5),
    "relu_": lambda v, k: v.sub_(0.5).relu_(),
    "copy_": lambda v, k: v.copy_(v.flip(0) * 3),
    "fill_": lambda v, k: v.fill_(k),
    "gt_": lambda v, k: v.gt_(0.5),
}
OPERATIONS = {**VIEWS, **PERHAPS_COPIES, **WRITES}
choices = st.integers(0, 5)
viewing = st.tuples(st.sampled_from([*VIEWS, *PERHAPS_COPIES]), choices, choices)
writing = st.tuples(st.sampled_from([*WRITES]), choices, choices)
programs = st.tuples(
    st.lists(viewing, min_size=1, max_size=4),
    st.lists(writing, min_size=1, max_size=2),
    st.lists(st.one_of(viewing, writing), max_size=2),
).map(lambda parts: [instruction for part in parts for instruction in part])
"""Views of views, then writes, then whatever follows."""


class Program(nn.Module):
    """Follows the instructions; the answer is some of the values that they made, side by side."""

    def __init__(self, instructions: list[Instruction], answers: list[int]) -> None:
        super().__init__()
        self.instructions = instructions
        self.answers = answers

    def forward(self, x: Tensor) -> Tensor:
        values = [x * 2]
        for name, which, choice in self.instructions:
            values.append(OPERATIONS[name](values[which % len(values)], choice))
        read = [values[which % len(values)] for which in self.answers]
        return torch.cat([value.reshape(x.shape[0], -1) for value in read], 1)


def outcomes(num_cases: int) -> Counter[str]:
    found: Counter[str] = Counter()

    @settings(max_examples=num_cases, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(instructions=programs, answers=st.lists(st.integers(0, 8), min_size=1, max_size=3))
    def equal_or_refused(instructions: list[Instruction], answers: list[int]) -> None:
        module, x = Program(instructions, answers), torch.rand(3, 2, 4)
        expected = module(x.clone())
        try:
            graph = capture(module, x, compare=False)
        except UsageError:
            found["refused"] += 1
            return
        found["equal"] += 1
        torch.testing.assert_close(run(graph, x)[0], expected, rtol=0, atol=0)

    equal_or_refused()
    return found


def test_views_and_writes_are_captured_as_they_run_or_refused() -> None:
    found = outcomes(50)
    assert min(found["equal"], found["refused"]) >= 10, found


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_thousand_chains_of_views_and_writes_are_captured_as_they_run_or_refused() -> None:
    found = outcomes(1000)
    assert min(found["equal"], found["refused"]) >= 200, found
