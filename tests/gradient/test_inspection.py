"""Looking at single nodes: values, upstream gradients, contributions of paths, local gradient tensors."""

import pytest
import torch

from convlens.core.errors import MachineError, UsageError
from convlens.gradient import Backpropagation, backpropagate, chain, memory
from convlens.graph.capture import capture
from convlens.graph.graph import Graph
from tests.graph.nets import Residual, randomized


@pytest.fixture(scope="module")
def graph() -> Graph:
    return capture(randomized(Residual()).double().eval(), torch.zeros(2, 3, 4, 4, dtype=torch.float64))


@pytest.fixture(scope="module")
def result(graph: Graph) -> Backpropagation:
    x = torch.randn(1, 3, 4, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    return backpropagate(graph, x, keep=True)


def test_the_shortcut_and_the_residual_branch_add_up_at_the_blocks_input(graph: Graph, result: Backpropagation) -> None:
    block_input = next(node for node in graph.operators if node.operator == "aten.relu.default")
    branch = next(node for node in graph.operators if node.module == "conv2")
    shortcut = next(node for node in graph.operators if node.operator == "aten.add.Tensor")
    paths = result.contributions(block_input)
    assert set(paths) == {branch.name, shortcut.name}
    torch.testing.assert_close(paths[shortcut.name], result.upstream(shortcut), rtol=0, atol=0)
    assert not torch.equal(paths[branch.name], paths[shortcut.name])
    torch.testing.assert_close(sum(paths.values()), result.upstream(block_input))


def test_upstream_gradients_and_local_gradients_are_joined_by_the_chain_rule(
    graph: Graph, result: Backpropagation
) -> None:
    for node in graph.operators:
        for name in dict.fromkeys(node.inputs):
            source = graph.by_name[name]
            if source.kind == "buffer" or source.size is not None or node.size is not None:
                continue
            local = result.local_gradient(node, source)
            value = result.value(node)
            assert local.shape == (*value.shape, *result.value(source).shape)
            expected = result.contributions(source)[node.name]
            torch.testing.assert_close(chain(result.upstream(node), local, over=value.ndim), expected)


def test_the_callers_part_is_a_contribution_too() -> None:
    x = torch.randn(3)
    result = backpropagate(capture(lambda u: (u, u.exp()), x), x, keep=True)
    paths = result.contributions("inputs_0")
    assert paths["output"].tolist() == [1, 1, 1]
    torch.testing.assert_close(sum(paths.values()), result.inputs[0])


def test_an_input_read_twice_has_the_sum_of_both_local_gradients() -> None:
    x = torch.tensor([2.0, 3.0])
    result = backpropagate(capture(lambda u: u * u, x), x, keep=True)
    assert result.local_gradient("mul", "inputs_0").tolist() == [[4, 0], [0, 6]]


def test_refusals(graph: Graph, result: Backpropagation, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="call backpropagate with keep=True"):
        backpropagate(graph, torch.zeros(1, 3, 4, 4, dtype=torch.float64)).upstream("linear")
    with pytest.raises(UsageError, match="unknown node 'linaer': did you mean linear"):
        result.value("linaer")  # codespell:ignore
    with pytest.raises(UsageError, match=r"linear \(aten.linear.default\) does not read 'x'; it reads dropout, p_fc_w"):
        result.local_gradient("linear", "x")
    with pytest.raises(UsageError, match="x is a value that no operator computes"):
        result.local_gradient("x", "x")
    monkeypatch.setattr(memory, "memory_bytes", lambda: 1000)
    with pytest.raises(
        MachineError, match=r"the local gradient tensor of linear has the shape \(1, 3, 1, 16\): 48 ele"
    ):
        result.local_gradient("linear", "dropout")
