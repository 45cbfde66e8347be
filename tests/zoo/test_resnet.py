"""The residual networks in the paper's form: the stride on the first 1x1 convolution of a bottleneck."""

import pytest
import torch

from convlens import zoo
from convlens.layers.residual import Bottleneck, PaperBottleneck
from convlens.zoo.resnet import ResNet
from tests.zoo.inspected import inspected
from tests.zoo.learning import losses

PUBLISHED = {
    "resnet50_v1": (25_557_032, 3_857_973_248, 483),
    "resnet101_v1": (44_549_160, 7_570_194_432, 1027),
    "resnet152_v1": (60_192_808, 11_282_415_616, 1507),
}
"""Parameters, multiply-adds, and the receptive field of the last stage in pixels."""


@pytest.mark.parametrize("name", PUBLISHED)
def test_costs_and_receptive_fields_are_the_published_ones(name: str) -> None:
    record = inspected(name)
    assert (record.parameters, record.multiply_adds, record.receptive_field) == PUBLISHED[name]


def test_both_forms_have_the_same_names_and_shapes() -> None:
    ours, papers = (zoo.blueprint(name).state_dict() for name in ("resnet50", "resnet50_v1"))
    assert {key: tensor.shape for key, tensor in ours.items()} == {key: tensor.shape for key, tensor in papers.items()}


@pytest.mark.parametrize("block", [Bottleneck, PaperBottleneck])
def test_ten_steps_lower_the_loss(block: type[Bottleneck]) -> None:
    torch.manual_seed(0)
    module = ResNet(block, (1, 1, 1, 1), 10)
    seen = losses(module, torch.randn(4, 3, 32, 32), torch.arange(4), rate=0.02)
    assert seen[-1] < 0.5 * seen[0]
