import pytest
import torch

from convlens.training.average import WeightAverage


def test_the_average_follows_its_definition() -> None:
    weight = torch.zeros(2)
    average = WeightAverage({"weight": weight, "count": torch.tensor(3)}, decay=0.5)
    expected = 0.0
    for step in range(1, 8):
        weight += 1
        average.update(step)
        decay = min(0.5, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * step
    assert average.values["weight"].tolist() == pytest.approx([expected] * 2)
    assert set(average.values) == {"weight"}


def test_it_stands_in_for_the_weights_for_a_while_or_for_good() -> None:
    weight = torch.tensor([4.0])
    average = WeightAverage({"weight": weight}, decay=0.0)
    weight += 1
    with average.in_place():
        assert weight.item() == 4
    assert (weight.item(), average.values["weight"].item()) == (5, 4)
    average.settle()
    assert weight.item() == 4
