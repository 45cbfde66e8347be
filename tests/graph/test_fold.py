import pytest
import torch
from torch import Tensor, nn

from convlens.graph.capture import capture
from convlens.graph.fold import fold_batch_norm
from convlens.graph.run import run
from convlens.zoo import network
from tests.graph.nets import Residual, randomized


def test_folding_removes_every_batch_norm_after_a_convolution_and_changes_nothing() -> None:
    module = randomized(Residual()).eval()
    graph = capture(module, torch.zeros(2, 3, 6, 6))
    folded = fold_batch_norm(graph)
    assert "aten.batch_norm.default" not in {node.operator for node in folded.operators}
    assert len(folded.operators) == len(graph.operators) - 2
    x = torch.randn(3, 3, 6, 6)
    with torch.no_grad():
        torch.testing.assert_close(run(folded, x)[0], module(x), rtol=1e-5, atol=1e-6)
    assert set(module.state_dict()) >= set(graph.state)


@pytest.mark.parametrize(("name", "left"), [("resnet18", 0), ("densenet121", 62)])
def test_folding_in_the_zoo(name: str, left: int) -> None:
    torch.manual_seed(0)
    module = network(name, classes=2).eval()
    graph = fold_batch_norm(capture(module, torch.zeros(2, 3, 32, 32)))
    assert [node.operator for node in graph.operators].count("aten.batch_norm.default") == left
    x = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        expected = module(x)
        assert (run(graph, x)[0] - expected).abs().max() < 1e-5 * expected.abs().max()


class Standardized(nn.Conv2d):
    """A convolution whose filters are computed: they have the mean zero."""

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.conv2d(x, self.weight - self.weight.mean((1, 2, 3), keepdim=True), self.bias)


@pytest.mark.parametrize(
    "convolution", [Standardized(3, 4, 3), nn.utils.parametrizations.weight_norm(nn.Conv2d(3, 4, 3))]
)
def test_computed_filters_are_left_as_they_are(convolution: nn.Module) -> None:
    module = randomized(nn.Sequential(convolution, nn.BatchNorm2d(4))).eval()
    graph = capture(module, torch.zeros(2, 3, 6, 6))
    folded = fold_batch_norm(graph)
    assert [node.operator for node in folded.operators].count("aten.batch_norm.default") == 1
    x = torch.randn(3, 3, 6, 6)
    with torch.no_grad():
        torch.testing.assert_close(run(folded, x)[0], module(x))


def test_training_statistics_are_not_folded() -> None:
    graph = capture(Residual().train(), torch.zeros(2, 3, 6, 6))
    assert fold_batch_norm(graph) == graph
