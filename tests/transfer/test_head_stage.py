"""What the head reads of all images, computed in batches that fit into memory."""

import pytest
import torch
from torch import Tensor

from convlens.transfer.head_stage import HeadExamples
from convlens.transfer.networks import cut_network
from convlens.zoo import network


class Told:
    """Labeled examples that remember how many were asked for at once."""

    def __init__(self, *values: Tensor) -> None:
        self.values = values
        self.labels = torch.zeros(len(values[0]), dtype=torch.long)
        self.files = [""] * len(values[0])
        self.sizes: list[int] = []

    def batch(self, indices: Tensor) -> tuple[Tensor, ...]:
        self.sizes.append(len(indices))
        return tuple(value[indices] for value in self.values)


@pytest.mark.parametrize(("plan", "inputs", "largest"), [("none", (40, 3, 32, 32), 32), ("backbone", (300, 256), 256)])
def test_what_convolves_takes_few_images_at_once(plan: str, inputs: tuple[int, ...], largest: int) -> None:
    torch.manual_seed(0)
    cut = cut_network(network("house", classes=2), plan, "fc", torch.zeros(2, 3, 32, 32))
    examples = Told(torch.randn(inputs))
    assert HeadExamples(cut, examples).inputs.shape == (inputs[0], 256)
    assert examples.sizes == [largest, inputs[0] - largest]
