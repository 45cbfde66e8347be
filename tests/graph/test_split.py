from collections.abc import Iterator

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from convlens.core.errors import UsageError
from convlens.graph.capture import capture
from convlens.graph.graph import BATCH, Graph
from convlens.graph.run import run
from convlens.graph.split import same_place, split, split_at
from tests.graph.nets import Dense, Residual, randomized

NETWORKS = {"residual": Residual, "dense": Dense}


def captured(name: str) -> tuple[nn.Module, Graph]:
    module = randomized(NETWORKS[name]()).eval()
    return module, capture(module, torch.zeros(2, 3, 6, 6))


def plans() -> Iterator[tuple[str, int]]:
    """Every network with every number of its parameters frozen, from none to all but the last."""
    for name, build in NETWORKS.items():
        yield from ((name, frozen) for frozen in range(len(list(build().parameters()))))


@pytest.mark.parametrize(("name", "frozen"), list(plans()))
def test_suffix_after_prefix_is_the_whole(name: str, frozen: int) -> None:
    module, graph = captured(name)
    parameters = [parameter for parameter, _ in module.named_parameters()]
    parts = split(graph, set(parameters[:frozen]))
    x = torch.randn(5, 3, 6, 6)
    with torch.no_grad():
        between = run(parts.prefix, x)
        torch.testing.assert_close(run(parts.suffix, *between)[0], module(x), rtol=0, atol=0)
    assert all(tensor.shape[0] == 5 for tensor in between)
    trained = {node.state for node in parts.suffix.nodes if node.kind == "parameter"}
    assert trained >= set(parameters[frozen:])
    assert not set(parameters[frozen:]) & {node.state for node in parts.prefix.nodes}


def test_a_cut_inside_a_residual_block_crosses_with_the_shortcut_too() -> None:
    _, graph = captured("residual")
    parts = split(graph, {"conv1.weight", "bn1.weight", "bn1.bias", "conv2.weight", "conv2.bias"})
    assert sorted(node.operator for node in parts.crossings) == ["aten.conv2d.default", "aten.relu.default"]


def test_a_concatenation_of_crossing_tensors_is_recomputed_not_stored() -> None:
    _, graph = captured("dense")
    parts = split(graph, {"layers.0.weight", "layers.0.bias", "layers.1.weight", "layers.1.bias"})
    assert "aten.cat.default" not in {node.operator for node in parts.crossings}
    shapes = [node.shape[1:] for node in parts.crossings if node.shape]
    values = sum(torch.Size([n for n in shape if isinstance(n, int)]).numel() for shape in shapes)
    assert values == (3 + 2 + 2) * 6 * 6


def test_nothing_frozen_crosses_at_the_input() -> None:
    _, graph = captured("residual")
    parts = split(graph, set())
    assert [node.kind for node in parts.crossings] == ["input"]
    assert parts.prefix.operators == ()


def test_dropout_and_batch_statistics_in_training_mode_are_never_frozen() -> None:
    module = Residual()
    everything = {name for name, _ in module.named_parameters()}
    graph = capture(module.train(), torch.zeros(2, 3, 6, 6))
    parts = split(graph, everything)
    assert {node.operator for node in parts.prefix.operators} == {"aten.conv2d.default"}
    module.eval()
    module.dropout.train()
    parts = split(capture(module, torch.zeros(2, 3, 6, 6)), everything)
    assert parts.suffix.operators[0].operator == "aten.dropout.default"


class Attends(nn.Module):
    """Attention to itself, which drops weights in training mode, and a classifier."""

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate
        self.project = nn.Linear(4, 4)
        self.fc = nn.Linear(4, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        tokens = self.project(x)[:, None]
        rate = self.rate if self.training else 0.0
        seen = nn.functional.scaled_dot_product_attention(tokens, tokens, tokens, dropout_p=rate)
        return self.fc(seen[:, 0].mean(1))  # type: ignore[no-any-return]


@pytest.mark.parametrize(("rate", "training", "frozen"), [(0.3, True, False), (0.3, False, True), (0.0, True, True)])
def test_attention_is_frozen_unless_it_drops_weights(rate: float, training: bool, frozen: bool) -> None:
    graph = capture(Attends(rate).train(training), torch.zeros(2, 5, 4))
    parts = split(graph, {"project.weight", "project.bias"})
    names = [node.operator for node in parts.prefix.operators]
    assert ("aten.scaled_dot_product_attention.default" in names) is frozen


def test_the_same_place_is_found_in_the_other_mode() -> None:
    module = randomized(Residual())
    evaluation = capture(module.eval(), torch.zeros(2, 3, 6, 6))
    module.dropout.train()
    module.fc.train()
    training = capture(module, torch.zeros(2, 3, 6, 6))
    frozen = {name for name, _ in module.named_parameters()} - {"fc.weight", "fc.bias"}
    parts = split(training, frozen)
    other = split_at(evaluation, same_place(training, evaluation, parts.prefix.outputs))
    x = torch.randn(3, 3, 6, 6)
    with torch.no_grad():
        torch.testing.assert_close(run(other.prefix, x), run(parts.prefix, x), rtol=0, atol=0)
        torch.testing.assert_close(run(other.suffix, *run(parts.prefix, x))[0], module.eval()(x), rtol=0, atol=0)


def test_a_cut_that_does_not_separate_is_refused() -> None:
    _, graph = captured("residual")
    inner = next(node.name for node in graph.operators if node.module == "conv2")
    with pytest.raises(UsageError, match="does not separate"):
        split_at(graph, [inner])


class Windows(nn.Module):
    """Folds space into the batch, as windowed attention does: rows in between belong to no single image."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Linear(3, 3)
        self.fc = nn.Linear(3, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        n = x.shape[0]
        rows = x.permute(0, 2, 3, 1).reshape(n * 36, 3)
        return self.fc(torch.relu(self.inner(rows)).view(n, 36, 3).mean(1))  # type: ignore[no-any-return]


@pytest.mark.parametrize("frozen", [{"inner.weight", "inner.bias"}, {"inner.bias"}])
def test_every_crossing_tensor_has_one_row_per_image(frozen: set[str]) -> None:
    module = Windows().eval()
    parts = split(capture(module, torch.zeros(2, 3, 6, 6)), frozen)
    assert all(node.shape is not None and node.shape[0] == BATCH for node in parts.crossings)
    x = torch.randn(4, 3, 6, 6)
    with torch.no_grad():
        torch.testing.assert_close(run(parts.suffix, *run(parts.prefix, x))[0], module(x), rtol=0, atol=0)


class RandomNetwork(nn.Module):
    """Layers whose inputs are drawn: sums and concatenations of any earlier values."""

    def __init__(self, wiring: list[tuple[int, int, bool]]) -> None:
        super().__init__()
        self.wiring = wiring
        self.convolutions = nn.ModuleList(nn.LazyConv2d(2, 3, padding=1) for _ in wiring)
        self.fc = nn.LazyLinear(2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        values = [x[:, :2]]
        for (first, second, joined), convolution in zip(self.wiring, self.convolutions, strict=True):
            a, b = values[first % len(values)], values[second % len(values)]
            values.append(convolution(torch.cat([a, b], 1) if joined else a + b).relu_())
        return self.fc(torch.cat(values, 1).flatten(1))  # type: ignore[no-any-return]


@settings(max_examples=12, deadline=None, derandomize=True)
@given(
    wiring=st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5), st.booleans()), min_size=1, max_size=4),
    data=st.data(),
)
def test_any_wiring_can_be_cut_anywhere(wiring: list[tuple[int, int, bool]], data: st.DataObject) -> None:
    module = RandomNetwork(wiring).eval()
    x = torch.randn(3, 3, 4, 4)
    expected = module(x)
    parameters = [name for name, _ in module.named_parameters()]
    frozen = set(data.draw(st.lists(st.sampled_from(parameters), unique=True)))
    parts = split(capture(module, x), frozen)
    torch.testing.assert_close(run(parts.suffix, *run(parts.prefix, x))[0], expected, rtol=0, atol=0)
