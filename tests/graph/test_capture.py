import warnings
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from convlens.core.errors import UsageError
from convlens.graph.capture import capture
from convlens.graph.run import run
from tests.graph.nets import Dense, Residual, randomized


@pytest.mark.parametrize("network", [Residual, Dense])
@pytest.mark.parametrize("batch", [1, 2, 5])
def test_a_captured_network_computes_the_same_for_any_batch_size(network: type[nn.Module], batch: int) -> None:
    module = randomized(network()).eval()
    graph = capture(module, torch.zeros(1, 3, 6, 6))
    x = torch.randn(batch, 3, 6, 6)
    with torch.no_grad():
        torch.testing.assert_close(run(graph, x)[0], module(x), rtol=0, atol=0)


def test_nodes_know_operator_shape_dtype_module_and_source() -> None:
    graph = capture(Residual().eval(), torch.zeros(2, 3, 6, 6))
    convolution = next(node for node in graph.operators if node.module == "conv2")
    assert convolution.operator == "aten.conv2d.default"
    assert convolution.shape == ("batch", 4, 6, 6)
    assert convolution.dtype is torch.float32
    assert "nets.py" in convolution.source
    assert "self.conv2(x)" in convolution.source


def test_in_place_operators_become_functional() -> None:
    graph = capture(Residual().eval(), torch.zeros(2, 3, 6, 6))
    names = [node.operator for node in graph.operators]
    assert "aten.relu.default" in names
    assert "aten.add.Tensor" in names
    assert not [name for name in names if name.split(".")[1].endswith("_")]


def test_training_mode_updates_the_modules_own_statistics_as_the_module_does() -> None:
    ours, theirs = randomized(Residual()), randomized(Residual())
    ours.dropout.p = theirs.dropout.p = 0.0  # type: ignore[assignment]
    graph = capture(ours.train(), torch.zeros(2, 3, 6, 6))
    x = torch.randn(4, 3, 6, 6)
    torch.testing.assert_close(run(graph, x)[0], theirs.train()(x), rtol=0, atol=0)
    for (name, mine), other in zip(ours.state_dict().items(), theirs.state_dict().values(), strict=True):
        torch.testing.assert_close(mine, other, rtol=0, atol=0, msg=name)
    assert ours.bn1.num_batches_tracked == 1


def test_instance_normalization_updates_its_statistics_too() -> None:
    ours, theirs = (nn.InstanceNorm2d(3, track_running_stats=True) for _ in range(2))
    graph = capture(ours, torch.zeros(2, 3, 6, 6))
    assert [name for node in graph.operators for name in node.mutates] == ["b_running_mean", "b_running_var"]
    x = torch.randn(4, 3, 6, 6)
    torch.testing.assert_close(run(graph, x)[0], theirs(x), rtol=0, atol=0)
    torch.testing.assert_close(ours.state_dict(), theirs.state_dict(), rtol=0, atol=0)


def test_the_graphs_state_is_the_modules_own() -> None:
    module = Residual().eval()
    graph = capture(module, torch.zeros(2, 3, 6, 6))
    assert graph.state["fc.weight"] is module.fc.weight
    assert graph.state["bn1.running_mean"] is module.bn1.running_mean


def test_values_are_freed_after_their_last_use() -> None:
    graph = capture(Residual().eval(), torch.zeros(2, 3, 6, 6))
    freed = [name for names in graph.last_use.values() for name in names]
    assert len(freed) == len(set(freed))
    assert set(freed).isdisjoint(graph.outputs)
    assert {node.name for node in graph.operators} - set(graph.outputs) <= set(freed)


def test_plain_functions_can_be_captured() -> None:
    def f(w: Tensor) -> Tensor:
        return torch.stack([w[0] * w[1], w[0] ** 2 + w[2] ** 3])

    graph = capture(f, torch.ones(3))
    w = torch.tensor([2.0, 3.0, 4.0])
    torch.testing.assert_close(run(graph, w)[0], f(w))


class Branching(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        if x.sum() > 0:
            return x
        return -x


def test_control_flow_on_values_is_refused_with_its_line() -> None:
    with pytest.raises(
        UsageError, match=r"cannot capture Branching.*test_capture\.py:\d+ in forward: if x\.sum\(\) > 0"
    ):
        capture(Branching(), torch.ones(2, 3))


class ChangesAPart(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        y = x * 2
        y.detach()[:, 0].add_(1)  # autograd does not see this
        return y


class ChangesACopy(nn.Module):
    """What may be a view or a copy, as the memory layout has it: nothing is known to be put back."""

    def forward(self, x: Tensor) -> Tensor:
        y = x * 2
        y.reshape(-1).add_(1)
        return y


@pytest.mark.parametrize("network", [ChangesAPart, ChangesACopy])
def test_in_place_changes_of_shared_memory_are_refused(network: type[nn.Module]) -> None:
    with pytest.raises(UsageError, match=r"changes memory that .* shares.*test_capture\.py"):
        capture(network(), torch.ones(2, 3))


class ChangesBehindViews(nn.Module):
    """Views, and views of views, of what is changed twice after they were taken."""

    def forward(self, x: Tensor) -> Tensor:
        y = x * 2
        a, b = y[:, :2].chunk(2, 1)
        y.mul_(3)
        z = a + b.squeeze(1)
        y.add_(1)
        return torch.cat([z, a, b, y], 1)


def test_views_of_what_is_changed_afterwards_see_the_change() -> None:
    x = torch.randn(3, 4)
    graph = capture(ChangesBehindViews(), x, compare=False)
    torch.testing.assert_close(run(graph, x)[0], ChangesBehindViews()(x), rtol=0, atol=0)


class ViewsAfterAChange(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        y = x * 2
        y.relu_()
        part = y[:, 1:]
        y = y + 1
        y.mul_(3)
        return torch.cat([part, y], 1)


def test_views_taken_after_a_change_are_right() -> None:
    x = torch.randn(3, 4)
    module = ViewsAfterAChange()
    torch.testing.assert_close(run(capture(module, x), x)[0], module(x))


class KeepsAnAverage(nn.Module):
    """Moves a buffer towards the batch's mean, written in one of three ways."""

    def __init__(self, way: str) -> None:
        super().__init__()
        self.way = way
        self.register_buffer("average", torch.ones(2, 4))

    def forward(self, x: Tensor) -> Tensor:
        assert isinstance(self.average, Tensor)
        if self.way == "chained":
            self.average.mul_(0.9).add_(0.1 * x.mean(0))
        elif self.way == "two statements":
            self.average.mul_(0.9)
            self.average.add_(0.1 * x.mean(0))
        else:
            self.average[0].mul_(0.9).add_(0.1 * x.mean(0))
        return x - self.average[0]


@pytest.mark.parametrize("way", ["chained", "two statements", "a part of it"])
def test_every_change_of_a_buffer_reaches_it(way: str) -> None:
    ours, theirs = KeepsAnAverage(way), KeepsAnAverage(way)
    graph = capture(ours, torch.zeros(2, 4))
    for x in torch.randn(3, 5, 4):
        torch.testing.assert_close(run(graph, x)[0], theirs(x), rtol=0, atol=0)
        torch.testing.assert_close(ours.average, theirs.average, rtol=0, atol=0)


class FixedBatch(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.view(2, -1).sum(0) + x


def test_a_fixed_batch_size_is_refused() -> None:
    with pytest.raises(UsageError, match="cannot capture FixedBatch"):
        capture(FixedBatch(), torch.ones(2, 3))


@pytest.mark.parametrize("example", [(torch.zeros(2, 3), torch.zeros(2, 3)), "image.png", {"x": torch.zeros(2, 3)}])
def test_an_example_that_is_no_tensor_is_refused(example: object) -> None:
    kind = type(example).__name__
    with pytest.raises(
        UsageError, match=rf"example input 1 is a {kind}\. Accepted: tensors, .* capture\(module, x, y\)"
    ):
        capture(nn.Identity(), torch.zeros(2, 3), example)  # type: ignore[arg-type]


def test_an_example_without_a_batch_is_refused_where_there_must_be_one() -> None:
    with pytest.raises(UsageError, match=r"example input 0 has no axes, .* or pass free_batch=False"):
        capture(nn.Identity(), torch.tensor(1.0))
    assert capture(nn.Identity(), torch.tensor(1.0), free_batch=False).inputs[0].shape == ()


class AnyNumber(nn.Module):
    def forward(self, x: Tensor, *rest: Tensor) -> Tensor:
        return sum(rest, x * 2)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_a_module_may_take_any_number_of_inputs(count: int) -> None:
    graph = capture(AnyNumber(), *(torch.zeros(2, 3) for _ in range(count)))
    inputs = torch.randn(count, 5, 3).unbind()
    torch.testing.assert_close(run(graph, *inputs)[0], AnyNumber()(*inputs))


def test_a_wrong_number_of_inputs_is_refused() -> None:
    graph = capture(Residual().eval(), torch.zeros(2, 3, 6, 6))
    with pytest.raises(UsageError, match=r"takes 1 inputs \(x\), got 2"):
        run(graph, torch.zeros(2, 3, 6, 6), torch.zeros(1))


class ClassToken(nn.Module):
    """A token that is repeated for each image, as vision transformers have it."""

    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, 4, 4, 4)
        self.token = nn.Parameter(torch.zeros(1, 1, 4))

    def forward(self, x: Tensor) -> Tensor:
        y = self.patches(x).flatten(2).transpose(1, 2)
        return torch.cat([self.token.expand(y.shape[0], -1, -1), y], 1)


def test_every_node_has_a_module_that_exists() -> None:
    module = ClassToken()
    graph = capture(module, torch.zeros(2, 3, 8, 8))
    assert any(node.operator == "aten.sym_size.int" for node in graph.operators)
    assert {node.module for node in graph.operators} == {"", "patches"}


def scripted(module: nn.Module) -> nn.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it is deprecated, and people have it
        script: nn.Module = torch.jit.script(module)
    return script


class OneBatchSize(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.view(2, -1)


class Fallen(nn.Module):
    """An operator that torch cannot run without values."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.fake_quantize_per_tensor_affine(x, 0.05, 0, -128, 127)


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (OneBatchSize, "it runs for one batch size only."),
        (Branching, "a branch or a size depends on the values of a tensor."),
        (Fallen, "torch has no rule for the shape of what aten.fake_quantize"),
        (lambda: scripted(nn.Linear(3, 3)), "it is TorchScript, whose Python code is gone."),
        (lambda: nn.LazyLinear(3), "weight, bias have no shape before the first forward pass."),
        (lambda: nn.Linear(3, 3).double(), "it fails by itself on (2, 3) torch.float32: mat1 and mat2 must have the"),
    ],
)
def test_what_cannot_be_traced_is_said_in_words_of_ours(build: Callable[[], nn.Module], words: str) -> None:
    with pytest.raises(UsageError) as refused:
        capture(build(), torch.ones(2, 3))
    message = str(refused.value)
    assert words in message
    assert "TORCH_LOGS" not in message
    assert "own_backward.py" not in message


def test_one_tensor_as_two_examples_is_two_inputs():
    class Difference(nn.Module):
        def forward(self, x, y):
            return x - y

    example = torch.zeros(4, 3)
    graph = capture(Difference(), example, example)
    (found,) = run(graph, torch.ones(4, 3), torch.zeros(4, 3))
    assert torch.equal(found, torch.ones(4, 3))
