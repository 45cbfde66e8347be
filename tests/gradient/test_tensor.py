"""Gradient tensors and the tensor chain rule: the examples of the lecture, each a test."""

import re
from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from convlens.core.errors import MachineError, UsageError
from convlens.gradient import backpropagate, chain, gradient_tensor, memory
from convlens.graph.capture import capture


def drawn(*shape: int) -> Tensor:
    return torch.randn(shape, dtype=torch.float64)


def test_the_lectures_vector_function() -> None:
    w1, w2, w3 = w = drawn(3)
    ours = gradient_tensor(lambda w: torch.stack([w[0] * w[1], w[0] ** 2 + w[2] ** 3]), w)
    expected = [[w2, w1, 0.0], [2 * w1, 0.0, 3 * w3**2]]
    torch.testing.assert_close(ours, torch.tensor(expected, dtype=torch.float64))


def test_a_linear_map_has_its_matrix_as_gradient_tensor() -> None:
    a = drawn(4, 3)
    torch.testing.assert_close(gradient_tensor(lambda w: a @ w, drawn(3)), a)


def test_orders_add_up() -> None:
    weights = drawn(2, 3, 4, 5, 3)
    ours = gradient_tensor(lambda x: torch.einsum("abcij,ij->abc", weights, x), drawn(5, 3))
    assert ours.shape == (2, 3, 4, 5, 3)
    torch.testing.assert_close(ours, weights)


def test_the_lectures_shapes_have_twelve_million_elements(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "memory_bytes", lambda: 4 * 48_000_000 - 4)
    message = (
        "the gradient tensor has the shape (10, 20, 40, 50, 30): 12,000,000 elements, 48,000,000 bytes. That is more "
        "than 47,999,999 bytes, a quarter of this machine's memory. Take fewer elements"
    )
    with pytest.raises(MachineError, match=re.escape(message)):
        gradient_tensor(lambda x: x.sum() * torch.ones(10, 20, 40), torch.ones(50, 30))


def test_the_limit_is_a_quarter_of_the_memory() -> None:
    quarter = memory.memory_bytes() // 4
    memory.refuse_unless_it_fits("it", (quarter // 8,), (2,), torch.float32)
    with pytest.raises(MachineError):
        memory.refuse_unless_it_fits("it", (quarter // 8 + 1,), (2,), torch.float32)


@pytest.mark.parametrize(
    ("inner", "outer", "shape"),
    [
        (lambda x: torch.tanh(x).permute(2, 0, 1) ** 2, lambda y: y.exp().flip(0).sum(2), (2, 3, 2)),
        (lambda x: x[:, :, None] * x[:, None, :].sin(), lambda y: F.softmax(y, 3).mean(1), (2, 2, 3)),
        (lambda x: F.conv2d(x, KERNEL), lambda z: F.avg_pool2d(torch.sigmoid(z), 2), (1, 2, 4, 4)),
    ],
    ids=["order 3 through order 3", "order 3 through order 4", "convolution and pooling, order 4"],
)
def test_the_chain_rule_equals_the_direct_gradient_tensor(
    inner: Callable[[Tensor], Tensor], outer: Callable[[Tensor], Tensor], shape: tuple[int, ...]
) -> None:
    x = drawn(*shape)
    y = inner(x)
    joined = chain(gradient_tensor(outer, y), gradient_tensor(inner, x), over=y.ndim)
    direct = gradient_tensor(lambda x: outer(inner(x)), x)
    torch.testing.assert_close(joined, direct)
    by_autograd = torch.autograd.functional.jacobian(lambda x: outer(inner(x)), x)
    torch.testing.assert_close(direct, by_autograd)


KERNEL = torch.randn(2, 2, 3, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def test_sigmoid_with_binary_cross_entropy_leaves_the_error() -> None:
    z, y = drawn(5), torch.tensor([0, 1, 1, 0, 1]).double()
    direct = gradient_tensor(lambda z: F.binary_cross_entropy(torch.sigmoid(z), y, reduction="sum"), z)
    with_logits = gradient_tensor(lambda z: F.binary_cross_entropy_with_logits(z, y, reduction="sum"), z)
    torch.testing.assert_close(direct, torch.sigmoid(z) - y)
    torch.testing.assert_close(with_logits, torch.sigmoid(z) - y)


def test_softmax_with_categorical_cross_entropy_leaves_the_error() -> None:
    z, classes = drawn(4, 3), torch.tensor([0, 2, 1, 1])
    ours = gradient_tensor(lambda z: F.cross_entropy(z, classes, reduction="sum"), z)
    torch.testing.assert_close(ours, torch.softmax(z, 1) - F.one_hot(classes, 3))


def test_a_contraction_of_the_gradient_tensor_is_what_backpropagate_gives() -> None:
    x, upstream = drawn(2, 4), drawn(2, 4)
    whole = chain(upstream, gradient_tensor(lambda x: torch.softmax(x, 1), x), over=2)
    result = backpropagate(capture(lambda x: torch.softmax(x, 1), x), x, upstream=upstream)
    torch.testing.assert_close(result.inputs[0], whole)


@pytest.mark.parametrize(
    ("outer", "inner", "over", "message"),
    [
        ((2, 3), (4, 5), 1, "the last 1 lengths of outer are (3,), the first 1 of inner are (4,)"),
        ((2, 3), (3, 5), 3, "over=3 shared indices, but the tensors have orders 2 and 2; `over` is the order of"),
    ],
)
def test_chains_that_do_not_fit_are_refused(
    outer: tuple[int, ...], inner: tuple[int, ...], over: int, message: str
) -> None:
    with pytest.raises(UsageError, match=re.escape(message)):
        chain(torch.zeros(outer), torch.zeros(inner), over=over)


def test_integers_and_several_outputs_are_refused() -> None:
    with pytest.raises(UsageError, match=r"x has dtype torch.int64; convert it, x.float\(\)"):
        gradient_tensor(lambda x: x, torch.tensor([1]))
    with pytest.raises(UsageError, match="this function has 1 and 2"):
        gradient_tensor(lambda x: (x.sin(), x.cos()), torch.zeros(2))
