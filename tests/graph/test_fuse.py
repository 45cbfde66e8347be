import pytest
import torch
from torch import nn

from convlens.graph.capture import capture
from convlens.graph.fold import fold_batch_norm
from convlens.graph.fuse import fuse_relu
from convlens.graph.run import run
from tests.graph.nets import Residual, randomized

pytestmark = pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason="torch is built without oneDNN")


class Varied(nn.Module):
    """Convolutions with every argument, read once or twice, and one whose value is an output before its ReLU."""

    def __init__(self) -> None:
        super().__init__()
        self.plain = nn.Conv2d(3, 4, 3)
        self.full = nn.Conv2d(4, 4, 3, stride=2, padding=2, dilation=2, groups=2, bias=False)
        self.twice = nn.Conv2d(4, 4, 1)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        x = torch.relu(self.full(torch.relu(self.plain(x))))
        y = self.twice(x)
        return torch.relu(y) + y, torch.relu(x)


def test_the_same_is_computed_with_fewer_operators() -> None:
    module = Varied().eval()
    graph = capture(module, torch.zeros(2, 3, 12, 12))
    fused = fuse_relu(graph)
    assert len(fused.operators) == len(graph.operators) - 2
    x = torch.randn(3, 3, 12, 12).to(memory_format=torch.channels_last)
    with torch.inference_mode():
        for ours, theirs in zip(run(fused, x), module(x), strict=True):
            torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-6)


def test_after_folding_a_residual_network_keeps_only_the_relu_after_its_sum() -> None:
    module = randomized(Residual()).eval()
    graph = fuse_relu(fold_batch_norm(capture(module, torch.zeros(2, 3, 6, 6))))
    assert [node.operator for node in graph.operators].count("aten.relu.default") == 1
    x = torch.randn(3, 3, 6, 6)
    with torch.inference_mode():
        torch.testing.assert_close(run(graph, x)[0], module(x), rtol=1e-5, atol=1e-6)
