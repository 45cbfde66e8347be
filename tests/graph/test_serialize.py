import json

import pytest
import torch
from torch import Tensor, nn

from convlens.graph.capture import capture, module_state
from convlens.graph.run import run
from convlens.graph.serialize import from_json, to_json
from tests.graph.nets import Dense, Residual, randomized


@pytest.mark.parametrize("network", [Residual, Dense])
@pytest.mark.parametrize("training", [False, True])
def test_a_graph_survives_being_written(network: type[nn.Module], training: bool) -> None:
    module = randomized(network()).train(training)
    graph = capture(module, torch.zeros(2, 3, 6, 6))
    assert from_json(to_json(graph), module_state(module)) == graph


class Converts(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        y = x.to(torch.float64).clamp(max=float("inf"))
        return torch.cat([y, torch.full_like(y, -1.5)], 1).view(y.shape[0] * 2, -1)


def test_number_formats_and_sizes_survive() -> None:
    module = Converts()
    graph = from_json(to_json(capture(module, torch.zeros(2, 4))), {})
    x = torch.randn(3, 4)
    torch.testing.assert_close(run(graph, x)[0], module(x))


def test_another_format_version_is_refused() -> None:
    content = json.loads(to_json(capture(Converts(), torch.zeros(2, 4))))
    content["version"] = 0
    with pytest.raises(ValueError, match="graph format 0"):
        from_json(json.dumps(content), {})
