from typing import Any

import pytest
import torch
from torch import Tensor, nn

from convlens.core.errors import UsageError
from convlens.graph.identity import digest_of, prefix_digest
from convlens.transfer.networks import cut_network
from convlens.zoo import network


def test_dropout_trains_but_does_not_act_in_use_and_both_are_cut_at_the_same_place() -> None:
    torch.manual_seed(0)
    parts = cut_network(network("alexnet", classes=2), "conv", "classifier.6", torch.zeros(2, 3, 64, 64))
    training = [node.arguments[2] for node in parts.training.suffix.operators if "dropout" in node.operator]
    evaluation = [node.arguments[2] for node in parts.evaluation.suffix.operators if "dropout" in node.operator]
    assert training == [True, True]
    assert evaluation == [False, False]
    assert [n.shape for n in parts.training.crossings] == [n.shape for n in parts.evaluation.crossings]
    assert prefix_digest(parts.training.prefix) == prefix_digest(parts.evaluation.prefix)


def test_the_digest_of_the_frozen_part_sees_one_bit_and_not_what_is_trained() -> None:
    torch.manual_seed(0)
    module = network("house", classes=2)
    parts = cut_network(module, "layer3", "fc", torch.zeros(2, 3, 32, 32))
    before = parts.frozen_digest()
    with torch.no_grad():
        module.get_parameter("fc.weight").add_(1)
        module.get_buffer("layer4.0.bn1.running_mean").add_(1)
    assert parts.frozen_digest() == before
    module.get_buffer("layer3.0.bn1.running_mean").view(torch.int32)[0] ^= 1
    assert parts.frozen_digest() != before


def test_digests_know_values_shapes_and_formats_but_not_memory_order() -> None:
    x = torch.arange(24.0).view(1, 2, 3, 4)
    assert digest_of([x]) == digest_of([x.to(memory_format=torch.channels_last)])
    assert digest_of([x]) != digest_of([x.view(1, 2, 4, 3)])
    assert digest_of([x]) != digest_of([x.double()])
    assert digest_of([torch.tensor(1)]) != digest_of([torch.tensor(2)])


class Halved(torch.autograd.Function):
    """The input itself, with half of its gradient."""

    @staticmethod
    def forward(context: Any, x: Tensor) -> Tensor:
        return x

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> Tensor:  # type: ignore[override]
        return gradient / 2


class HalvesItsGradient(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.fc = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 3), nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        features = Halved.apply(self.first(x))
        logits: Tensor = self.fc(self.second(features).relu().mean((2, 3)))
        return logits


def test_a_backward_of_its_own_is_refused_where_training_needs_it_and_runs_where_it_is_frozen() -> None:
    example = torch.zeros(2, 3, 8, 8)
    with pytest.raises(UsageError, match=r"cannot train through the autograd\.Function Halved .*Freeze all layers"):
        cut_network(HalvesItsGradient(), "none", "fc", example)
    parts = cut_network(HalvesItsGradient(), "first", "fc", example)
    assert set(parts.trained_parameters) == {
        f"{path}.{kind}" for path in ("second", "fc") for kind in ("weight", "bias")
    }
