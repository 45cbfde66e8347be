"""The check that is shipped: it passes what is right, and names an operator whose rule is wrong by a thousandth."""

import dataclasses
from typing import Any

import pytest
import torch
from torch import nn

from convlens.gradient import check_gradients, plan
from convlens.graph.capture import capture
from convlens.ops import TABLE, NoRule
from tests.graph.nets import Dense, Residual, randomized


@pytest.mark.parametrize("training", [False, True], ids=["eval", "train"])
def test_right_rules_pass_and_the_module_stays_as_it_is(training: bool) -> None:
    module = randomized(Residual()).train(training)
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    found = check_gradients(capture(module, torch.zeros(2, 3, 6, 6)), torch.zeros(2, 3, 6, 6))
    assert found.passed, str(found)
    assert {one.operator for one in found.operators} >= {"aten.conv2d.default", "aten.batch_norm.default"}
    assert set(found.parameters) == {name for name, _ in module.named_parameters()}
    assert all(torch.equal(before[name], tensor) for name, tensor in module.state_dict().items())


def test_ties_of_pooled_zeros_and_operators_with_several_outputs_pass() -> None:
    class Net(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            a, b = nn.functional.max_pool2d(torch.relu(x - 1), 2).split(1, 1)
            return a * b.float()

    found = check_gradients(capture(Net(), torch.zeros(2, 2, 4, 4)), [torch.ones(2, 2, 4, 4)])
    assert found.passed, str(found)
    assert "aten.split" in " ".join(one.operator for one in found.operators)


def test_extremes_norms_and_choices_between_numbers_pass() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.norm = nn.InstanceNorm2d(3, affine=True, track_running_stats=True)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x = nn.functional.normalize(self.norm(x), dim=1)
            largest, place = x.max(1, keepdim=True)
            spread = torch.where(x > 0, x, 0.5) / (x.std((2, 3), keepdim=True) + 1)
            return (spread + largest + torch.where(x > 0, 1.0, 0.0) * (place > 1)) * x.min(2)[0][:, :, None]

    for training in (True, False):
        module = Net().train(training)
        found = check_gradients(capture(module, torch.zeros(2, 3, 4, 4)), torch.randn(2, 3, 4, 4))
        assert found.passed, str(found)
    names = {one.operator for one in found.operators}
    assert names >= {"aten.instance_norm.default", "aten.max.dim", "aten.std.dim", "aten.where.ScalarOther"}


def test_constants_made_in_the_forward_pass_become_double_too() -> None:
    class Net(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            mean = nn.functional.conv2d(x, torch.ones(3, 1, 3, 3) / 9, groups=3)
            ramp = torch.full((4,), 0.5) * torch.arange(4.0, dtype=torch.float32)
            return mean * ramp + torch.arange(4) @ mean.new_ones(4).long()

    found = check_gradients(capture(Net(), torch.zeros(2, 3, 6, 6)), torch.randn(2, 3, 6, 6))
    assert found.passed, str(found)


@pytest.mark.parametrize(
    "name", ["aten.conv2d.default", "aten.relu.default", "aten.linear.default", "aten.cat.default"]
)
def test_an_error_of_a_thousandth_is_named(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan, "TABLE", {**TABLE, name: dataclasses.replace(TABLE[name], gradient=_planted(name))})
    found = check_gradients(capture(randomized(Dense()).eval(), torch.zeros(2, 3, 6, 6)), torch.randn(2, 3, 6, 6))
    assert not found.passed
    assert {one.operator for one in found.differing} == {name}
    one = found.differing[0]
    assert one.autograd == pytest.approx(1e-3, rel=1e-3)
    assert one.finite_differences == pytest.approx(1e-3, rel=1e-2)
    assert f"{one.node} ({name})" in str(found)
    assert "nets.py" in str(found)
    assert "differs by 1.0e-03 from autograd, by 1.0e-03 from finite differences" in str(found)


def _planted(name: str) -> Any:
    right = TABLE[name].gradient
    assert not isinstance(right, NoRule)
    return lambda *args, **kwargs: tuple(None if g is None else g * 1.001 for g in right(*args, **kwargs))


def test_what_is_detached_is_held_for_finite_differences() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear = nn.Linear(3, 3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            y = self.linear(x)
            return y * y.detach().mean() * y.max().item()

    found = check_gradients(capture(Net(), torch.zeros(2, 3)), torch.randn(2, 3))
    assert found.passed, str(found)


def test_a_buffer_that_is_changed_and_then_read_begins_anew_for_every_difference() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("steps", torch.ones(3))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            self.steps.mul_(2)
            return x * self.steps

    found = check_gradients(capture(Net(), torch.zeros(2, 3)), torch.randn(2, 3))
    assert found.passed, str(found)
