"""What is answered and what is refused, on graphs of a few nodes."""

import re
from collections.abc import Mapping
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from convlens.core.errors import UsageError
from convlens.gradient import backpropagate, check_gradients
from convlens.graph.capture import capture
from convlens.graph.cost import cost
from convlens.graph.graph import Graph, Node, Ref
from convlens.graph.run import run
from convlens.ops import TABLE, NoRule, tensor_inputs
from tests.gradient.oracle import assert_equals_autograd
from tests.ops.cases import CASES
from tests.ops.oracle import task_of


class Tied(nn.Module):
    """One weight matrix, used by two layers."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(3, 3), nn.Linear(3, 3)
        self.second.weight = self.first.weight

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.second(torch.tanh(self.first(x)))
        return y


class Partly(nn.Module):
    """An unused parameter, a detached one, a frozen one, and one that leads to the output."""

    def __init__(self) -> None:
        super().__init__()
        self.used, self.unused, self.detached, self.frozen = (nn.Parameter(torch.ones(3)) for _ in range(4))
        self.frozen.requires_grad_(False)

    def forward(self, x: Tensor) -> Tensor:
        return x * self.used * self.frozen + self.detached.detach()


def test_tied_parameters_are_summed_under_the_first_name() -> None:
    result = assert_equals_autograd(Tied().double(), torch.randn(2, 3, dtype=torch.float64))
    assert set(result.parameters) == {"first.weight", "first.bias", "second.bias"}


def test_only_parameters_that_lead_to_an_output_and_require_a_gradient_have_one() -> None:
    result = assert_equals_autograd(Partly().double(), torch.randn(2, 3, dtype=torch.float64))
    assert set(result.parameters) == {"used"}


def test_several_outputs_take_a_sequence_of_upstream_gradients() -> None:
    x = torch.randn(4, 3, dtype=torch.float64)
    graph = capture(lambda u: (u.sin(), u.split(2)[1], u), x)
    a, b, c = torch.randn(4, 3).double(), torch.randn(2, 3).double(), torch.randn(4, 3).double()
    expected = a * x.cos() + torch.cat([torch.zeros(2, 3), b]) + c
    torch.testing.assert_close(backpropagate(graph, x, upstream=(a, b, c)).inputs[0], expected)
    torch.testing.assert_close(backpropagate(graph, x, upstream=(a, None, None)).inputs[0], a * x.cos())
    by_ones = x.cos() + torch.cat([torch.zeros(2, 3), torch.ones(2, 3)]) + 1
    torch.testing.assert_close(backpropagate(graph, x).inputs[0], by_ones)


def test_integer_inputs_and_inputs_that_are_not_wanted_have_no_gradient() -> None:
    x, index = torch.randn(4, 3), torch.tensor([[1], [2], [0], [3]])
    graph = capture(lambda u, i: u * i, x, index)
    gradient, none = backpropagate(graph, x, index).inputs
    assert none is None
    assert gradient is not None
    assert gradient.sum() == 18
    assert backpropagate(graph, x, index, input_gradients=False).inputs == (None, None)


def test_a_number_computed_from_the_batch_size_is_no_tensor() -> None:
    class Half(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.sum() / (x.shape[0] * 2) + x.mean() * (x.shape[0] / 2)

    assert_equals_autograd(Half(), torch.randn(4, 3, dtype=torch.float64))


def graph_of_call(name: str, arguments: tuple[Any, ...], keywords: Mapping[str, Any]) -> tuple[Graph, list[Tensor]]:
    """The graph of one call, whose value is its output, and the inputs of the graph."""
    inputs = list(tensor_inputs(arguments, keywords))
    names = {id(x): f"u{place}" for place, x in enumerate(inputs)}
    nodes = [
        Node(name=names[id(x)], kind="input", operator="input", shape=tuple(x.shape), dtype=x.dtype) for x in inputs
    ]
    target = task_of(TABLE[name])

    def ref(value: Any) -> Any:
        if isinstance(value, list | tuple):
            return type(value)(ref(item) for item in value)
        return Ref(names[id(value)]) if isinstance(value, Tensor) else value

    value = target(*arguments, **keywords)
    call = Node(
        name="y",
        kind="operator",
        operator=name,
        target=target,
        arguments=ref(arguments),
        keywords={key: ref(keyword) for key, keyword in keywords.items()},
        shape=tuple(value.shape),
        dtype=value.dtype,
    )
    return Graph(nodes=(*nodes, call), outputs=("y",), state={}), inputs


def has_one_value_that_its_rule_reads(name: str) -> bool:
    known = TABLE[name]
    one = name.startswith("aten.") and len(task_of(known)._schema.returns) == 1
    return one and not isinstance(known.gradient, NoRule) and known.reads((True,) * 5).output


@pytest.mark.parametrize("name", [*filter(has_one_value_that_its_rule_reads, CASES)])
def test_outputs_have_values_where_the_last_rule_reads_its_own(name: str) -> None:
    torch.manual_seed(0)
    graph, inputs = graph_of_call(name, *CASES[name][0].draw(torch.float64))
    result = backpropagate(graph, *inputs)
    torch.manual_seed(0)
    torch.testing.assert_close(result.outputs, run(graph, *inputs))


def test_outputs_inside_the_graph_have_values_too() -> None:
    x = torch.randn(3)
    graph = capture(lambda u: ((y := torch.tanh(u)), torch.sigmoid(y), y.view(3, 1)), x)
    torch.testing.assert_close(backpropagate(graph, x).outputs, run(graph, x))


def test_gradients_lie_in_memory_of_their_own() -> None:
    x, y, upstream = torch.randn(3), torch.randn(3), torch.ones(3)
    result = backpropagate(capture(torch.add, x, y), x, y, upstream=upstream)
    a, b = result.inputs
    assert a is not None
    assert b is not None
    assert len({a.data_ptr(), b.data_ptr(), upstream.data_ptr()}) == 3
    wide = backpropagate(capture(torch.sum, x), x).inputs[0]
    assert wide is not None
    assert wide.is_contiguous()


def test_nothing_is_left_for_autograd() -> None:
    module = nn.Linear(3, 2)
    result = backpropagate(capture(module, torch.randn(2, 3)), torch.randn(2, 3))
    assert module.weight.grad is None
    assert not result.outputs[0].requires_grad
    assert not result.parameters["weight"].requires_grad


@pytest.mark.parametrize(
    ("upstream", "message"),
    [
        (
            torch.ones(3),
            "the upstream gradient of sin has shape (3,) and dtype torch.float32; it must have those of the",
        ),
        ((torch.ones(2), torch.ones(2)), "this graph has 1 outputs (sin), got 2 upstream gradients"),
    ],
)
def test_an_upstream_gradient_that_does_not_fit_is_refused(upstream: Tensor, message: str) -> None:
    x = torch.zeros(2)
    with pytest.raises(UsageError, match=re.escape(message)):
        backpropagate(capture(torch.sin, x), x, upstream=upstream)


class Unknown(nn.Module):
    """An operator outside the table, in a module of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Sequential(Determinant())

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.inner(x)
        return y


class Determinant(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.linalg.det(x)


def test_an_operator_without_a_rule_is_named_with_its_module_and_line() -> None:
    x = torch.eye(2)
    graph = capture(Unknown(), x, free_batch=False)
    with pytest.raises(UsageError) as refused:
        backpropagate(graph, x)
    message = str(refused.value)
    assert "the operator aten.linalg_det.default in module 'inner.0'" in message
    assert "test_backpropagate.py" in message
    assert "return torch.linalg.det(x)" in message


def test_the_line_of_a_plain_function_is_named_too() -> None:
    x = torch.eye(2)
    graph = capture(lambda u: torch.linalg.det(u), x)
    with pytest.raises(UsageError, match=r"test_backpropagate.py:\d+ in <lambda>: .*torch.linalg.det"):
        backpropagate(graph, x)


def test_an_operator_without_a_rule_off_the_gradients_way_is_run() -> None:
    x = torch.eye(2)
    graph = capture(lambda u: u * torch.linalg.det(u.detach()), x)
    torch.testing.assert_close(backpropagate(graph, x).inputs[0], torch.ones(2, 2))


class Doubled(torch.autograd.Function):
    """Twice the input; its backward says three times."""

    @staticmethod
    def forward(context: Any, x: Tensor) -> Tensor:
        return x * 2

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> Tensor:  # type: ignore[override]
        return gradient * 3


class Reversed(torch.autograd.Function):
    """The input itself, with the gradient's sign reversed."""

    @staticmethod
    def forward(context: Any, x: Tensor) -> Tensor:
        return x

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> Tensor:  # type: ignore[override]
        return -gradient


class Binary(torch.autograd.Function):
    """The sign, with the gradient of the identity: a straight-through estimator, in torch's newer form."""

    @staticmethod
    def forward(x: Tensor) -> Tensor:  # type: ignore[override]
        return x.sign()

    @staticmethod
    def setup_context(context: Any, inputs: Any, output: Any) -> None:
        pass

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> Tensor:  # type: ignore[override]
        return gradient


class Rectified(torch.autograd.Function):
    """ReLU in place, with the gradient of the identity."""

    @staticmethod
    def forward(context: Any, x: Tensor) -> Tensor:
        context.mark_dirty(x)
        return x.relu_()

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> Tensor:  # type: ignore[override]
        return gradient


class WithOwnBackward(nn.Module):
    """A frozen or trained layer, something with a backward of its own, and another layer."""

    def __init__(self, function: Any) -> None:
        super().__init__()
        self.first, self.function, self.last = nn.Linear(4, 4), function, nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.last(self.function(self.first(x)))
        return y


def hooked(x: Tensor) -> Tensor:
    """The tensor, with a hook on its gradient."""
    y = x * 1
    if y.requires_grad:
        y.register_hook(lambda gradient: -gradient)
    return y


def changed_in_place(x: Tensor) -> Tensor:
    y = x * 1
    Rectified.apply(y)
    return y


OWN_BACKWARDS = {
    "the autograd.Function Doubled": Doubled.apply,
    "the autograd.Function Reversed": Reversed.apply,
    "the autograd.Function Binary": Binary.apply,
    "the autograd.Function Rectified": changed_in_place,
    "a hook on a tensor": hooked,
}


@pytest.mark.parametrize("words", OWN_BACKWARDS)
@pytest.mark.parametrize("frozen", [False, True])
def test_a_backward_of_its_own_is_refused_by_name_and_all_else_goes_on(words: str, frozen: bool) -> None:
    module, x = WithOwnBackward(OWN_BACKWARDS[words]).requires_grad_(not frozen), torch.randn(2, 4)
    graph = capture(module, x)
    torch.testing.assert_close(run(graph, x)[0], module(x), rtol=0, atol=0)
    assert cost(graph).total.multiply_adds == 4 * 4 + 4 * 3
    assert not cost(graph).unsupported
    if frozen and words == "a hook on a tensor":  # torch lets nobody hook what has no gradient
        return
    for differentiate in (backpropagate, check_gradients):
        with pytest.raises(UsageError, match=rf"cannot differentiate: {words} in the outermost module"):
            differentiate(graph, x)


def test_a_backward_of_its_own_off_the_gradients_way_is_run() -> None:
    module, x = WithOwnBackward(Doubled.apply), torch.randn(2, 4)
    module.first.requires_grad_(False)
    result = backpropagate(capture(module, x), x, input_gradients=False)
    assert set(result.parameters) == {"last.weight", "last.bias"}


def test_hooks_of_modules_and_parameters_are_refused_by_name() -> None:
    module, x = WithOwnBackward(torch.relu), torch.randn(2, 4)
    handle = module.last.register_full_backward_hook(lambda *_: None)
    with pytest.raises(UsageError, match="a backward hook of module 'last' in module 'last'"):
        backpropagate(capture(module, x), x)
    handle.remove()
    module.first.weight.register_hook(lambda gradient: gradient * 0)
    with pytest.raises(UsageError, match=r"a hook on the parameter first\.weight"):
        backpropagate(capture(module, x), x)


def test_functions_are_themselves_again_after_a_capture() -> None:
    capture(WithOwnBackward(Doubled.apply), torch.randn(2, 4))
    assert "apply" not in vars(torch.autograd.function._SingleLevelFunction)
    x = torch.ones(2, requires_grad=True)
    Doubled.apply(x).sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [3, 3]


COMPLEX = {
    "aten.fft_rfft2.default": lambda x: torch.fft.rfft2(x).abs(),
    "aten.mul.Tensor": lambda x: torch.view_as_real(x * torch.exp(1j * x)),
    "aten.complex.default": lambda x: torch.complex(x, x).abs(),
    "aten.abs.default": lambda x: torch.view_as_complex(x.reshape(-1, 2)).abs(),
    "aten.fft_fft.default": torch.fft.fft,
    "aten.to.dtype": lambda x: x.to(torch.complex64),
}


@pytest.mark.parametrize("name", COMPLEX)
def test_complex_numbers_are_refused_by_name(name: str) -> None:
    x = torch.randn(2, 2, 2)
    graph = capture(COMPLEX[name], x)
    run(graph, x)
    for differentiate in (backpropagate, check_gradients):
        with pytest.raises(UsageError, match="computes with complex numbers, and our rules are for real ones"):
            differentiate(graph, x)
    with pytest.raises(UsageError, match="complex numbers"):
        backpropagate(graph, x, upstream=torch.ones_like(run(graph, x)[0]))


def test_complex_parameters_and_inputs_are_refused_too() -> None:
    class Turned(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.turn = nn.Parameter(torch.randn(4, dtype=torch.complex64))

        def forward(self, x: Tensor) -> Tensor:
            return (x * self.turn).abs()

    x = torch.randn(2, 4)
    with pytest.raises(UsageError, match=r"complex numbers"):
        backpropagate(capture(Turned(), x), x, input_gradients=False)
    z = torch.randn(2, 4, dtype=torch.complex64)
    with pytest.raises(UsageError, match=r"complex numbers"):
        backpropagate(capture(torch.abs, z), z)
