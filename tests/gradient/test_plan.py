"""How long values live: the default keeps what the rules will read, and nothing else."""

import weakref
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from convlens.gradient import backpropagate
from convlens.gradient.passes import Tape, forward
from convlens.gradient.plan import parameters, plan
from convlens.graph.capture import capture
from convlens.graph.graph import Graph, Node
from convlens.graph.inplace import shares_memory
from convlens.graph.run import given_values, run
from convlens.ops import TABLE, tensor_inputs
from tests.graph.nets import Dense, Residual, randomized
from tests.ops.cases import CASES
from tests.ops.oracle import task_of


def tape_of(graph: Graph, x: Tensor, *, keep: bool) -> Tape:
    return forward(plan(graph, parameters(graph), keep=keep), given_values(graph, x), keep=keep)


def live_bytes(tape: Tape, graph: Graph) -> int:
    """Bytes in memory for values and for what the rules saved, views counted once, parameters and inputs not."""
    storages = {t.untyped_storage().data_ptr(): t.untyped_storage().nbytes() for t in _tensors(tape)}
    given = [*graph.state.values(), *(tape.values[node.name] for node in graph.inputs)]
    own = {tensor.untyped_storage().data_ptr() for tensor in given}
    return sum(size for pointer, size in storages.items() if pointer not in own)


def _tensors(tape: Tape) -> list[Tensor]:
    pending: list[Any] = [*tape.values.values(), *tape.saved.values()]
    found = []
    while pending:
        value = pending.pop()
        if isinstance(value, Tensor) and not value.is_meta:
            found.append(value)
        elif isinstance(value, list | tuple):
            pending.extend(value)
    return found


@pytest.mark.parametrize("training", [False, True], ids=["eval", "train"])
@pytest.mark.parametrize("net", [Residual, Dense])
def test_the_default_keeps_fewer_bytes_than_keep(net: type[nn.Module], training: bool) -> None:
    module = randomized(net()).train(training)
    graph = capture(module, torch.zeros(2, 3, 8, 8))
    x = torch.randn(4, 3, 8, 8)
    default, kept = (live_bytes(tape_of(graph, x, keep=keep), graph) for keep in (False, True))
    assert default < 0.85 * kept


@pytest.mark.parametrize("net", [Residual, Dense])
def test_the_default_keeps_no_more_than_autograd(net: type[nn.Module]) -> None:
    module = randomized(net()).train()
    graph = capture(module, torch.zeros(2, 3, 8, 8))
    x = torch.randn(4, 3, 8, 8)
    held: dict[int, int] = {}

    def hold(tensor: Tensor) -> Tensor:
        held[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(hold, lambda tensor: tensor):
        output = module(x)
    own = {tensor.untyped_storage().data_ptr() for tensor in graph.state.values()}
    theirs = sum(size for pointer, size in held.items() if pointer not in own)
    outputs = output.untyped_storage().nbytes()
    assert live_bytes(tape_of(graph, x, keep=False), graph) <= theirs + outputs


def test_a_relu_is_written_over_its_input_unless_that_is_seen_elsewhere() -> None:
    def overwrites(function: Any) -> bool:
        x = torch.randn(2, 3)
        graph = capture(function, x)
        steps = plan(graph, ("inputs_0",))
        values = forward(steps, given_values(graph, x.clone())).values
        torch.testing.assert_close(values[graph.outputs[0]], run(graph, x)[0])
        relu = next(step for step in steps if step.node.operator == "aten.relu.default")
        return relu.forward is not plan(graph, ("inputs_0",), keep=True)[steps.index(relu)].forward

    assert overwrites(lambda x: torch.relu(x * 2))
    assert not overwrites(torch.relu)
    assert not overwrites(lambda x: torch.relu(torch.exp(x)))
    assert not overwrites(lambda x: torch.relu(y := x * 2) + y)
    assert not overwrites(lambda x: (y := x * 2).view(3, 2) + torch.relu(y).view(3, 2))
    assert not overwrites(lambda x: torch.relu((x * 2).view(3, 2)))
    assert not overwrites(lambda x: torch.relu((y := x * 2).type_as(x)) + y)


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")
@pytest.mark.parametrize("name", CASES)
def test_operators_that_answer_their_inputs_memory_are_known(name: str) -> None:
    known = TABLE[name]
    node = Node(name=name, kind="operator", operator=name, target=task_of(known))
    for case in CASES[name]:
        args, kwargs = case.draw(torch.float32 if torch.float32 in case.dtypes else case.dtypes[0])
        given = {tensor.untyped_storage().data_ptr() for tensor in tensor_inputs(args, kwargs)}
        value, _ = known.forward(*args, **kwargs)
        shared = given & {y.untyped_storage().data_ptr() for y in tensor_inputs((value,), {})}
        assert not shared or shares_memory(node)


@pytest.mark.parametrize("name", [name for name, known in TABLE.items() if known.in_place is not None])
def test_in_place_operators_give_the_same_value_in_the_memory_of_their_first_argument(name: str) -> None:
    known = TABLE[name]
    assert known.in_place is not None
    x = torch.linspace(-9, 9, 7)
    others = (torch.randn(7),) if name == "aten.add.Tensor" else (2.0,) if name == "aten.add.Scalar" else ()
    expected, _ = known.forward(x.clone(), *others)
    overwritten = known.in_place(x, *others)
    assert overwritten.data_ptr() == x.data_ptr()
    torch.testing.assert_close(overwritten, expected, rtol=0, atol=0)


def test_nothing_survives_a_pass_but_its_result() -> None:
    module = randomized(Dense()).eval()
    graph = capture(module, torch.zeros(2, 3, 6, 6))
    seen: list[weakref.ref[Any]] = []

    class Watch(torch.utils._python_dispatch.TorchDispatchMode):
        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            out = func(*args, **(kwargs or {}))
            if isinstance(out, Tensor) and not out.is_meta:
                seen.append(weakref.ref(out))
            return out

    with Watch():
        result = backpropagate(graph, torch.randn(2, 3, 6, 6))
    alive = {id(ref()) for ref in seen if ref() is not None}
    answered = [*result.outputs, *result.parameters.values(), *(g for g in result.inputs if g is not None)]
    assert alive <= {id(tensor) for tensor in answered}
