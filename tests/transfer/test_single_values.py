"""Where batch normalization would have one value per channel of each image."""

import pytest
import torch
from torch import nn

from convlens.graph.capture import capture
from convlens.graph.run import run
from convlens.transfer.single_values import normalizes_single_values


class Squeezed(nn.Module):
    """Batch normalization over whole maps, and over their means."""

    def __init__(self, side: int) -> None:
        super().__init__()
        self.maps = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.AdaptiveAvgPool2d(side))
        self.means = nn.Sequential(nn.Conv2d(4, 4, 1), nn.BatchNorm2d(4))
        self.fc = nn.Linear(4 * side**2, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc(self.means(self.maps(x)).flatten(1))  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("side", "training", "found"), [(1, True, "means.1"), (1, False, None), (2, True, None), (2, False, None)]
)
def test_the_layer_is_named_where_it_trains_on_one_place(side: int, training: bool, found: str | None) -> None:
    graph = capture(Squeezed(side).train(training), torch.zeros(2, 3, 8, 8))
    assert normalizes_single_values([graph]) == found
    assert normalizes_single_values([capture(Squeezed(2).train(), torch.zeros(2, 3, 8, 8)), graph]) == found


def test_what_is_named_loses_its_running_variance_and_what_is_not_keeps_it() -> None:
    for side in (1, 2):
        module = Squeezed(side).train()
        graph = capture(module, torch.zeros(2, 3, 8, 8))
        run(graph, torch.rand(1, 3, 8, 8))
        lost = not module.get_buffer("means.1.running_var").isfinite().all()
        assert lost == (normalizes_single_values([graph]) is not None)


def test_normalization_in_a_head_after_the_graphs() -> None:
    graph = capture(Squeezed(2).train(), torch.zeros(2, 3, 8, 8))
    assert normalizes_single_values([graph], nn.Sequential(nn.BatchNorm1d(4), nn.Linear(4, 2))) == "the head"
    assert normalizes_single_values([graph], nn.Linear(4, 2)) is None
