import pytest
import torch
from torch import nn

from convlens.training.adam import Adam

RATES = (0.1, 0.05, 0.02, 0.01)


def module() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(2, 3, 3), nn.Flatten(), nn.Linear(12, 2)).double()


def backward(trained: nn.Module, step: int) -> None:
    torch.manual_seed(step)
    nn.functional.cross_entropy(trained(torch.randn(8, 2, 4, 4).double()), torch.randint(2, (8,))).backward()


@pytest.mark.parametrize("decoupled", [False, True])
def test_the_steps_are_those_of_torchs_own(decoupled: bool) -> None:
    ours, theirs = module(), module()
    descent = Adam(dict(ours.named_parameters()), weight_decay=0.1, decoupled=decoupled)
    kind = torch.optim.AdamW if decoupled else torch.optim.Adam
    groups = [
        {"params": [p for p in theirs.parameters() if p.ndim > 1], "weight_decay": 0.1},
        {"params": [p for p in theirs.parameters() if p.ndim <= 1], "weight_decay": 0.0},
    ]
    reference = kind(groups)
    for step, rate in enumerate(RATES):
        backward(ours, step)
        descent.step(rate)
        backward(theirs, step)
        for group in reference.param_groups:
            group["lr"] = rate
        reference.step()
        reference.zero_grad()
    for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-12, atol=0)


def test_it_goes_on_from_what_was_kept() -> None:
    whole, broken = module(), module()
    one = Adam(dict(whole.named_parameters()), weight_decay=0.0)
    for step, rate in enumerate(RATES):
        backward(whole, step)
        one.step(rate)
    first, second = (Adam(dict(broken.named_parameters()), weight_decay=0.0) for _ in range(2))
    for step, rate in enumerate(RATES):
        if step == 2:
            second.velocities = {name: kept.clone() for name, kept in first.velocities.items()}
        backward(broken, step)
        (first if step < 2 else second).step(rate)
    for a, b in zip(whole.parameters(), broken.parameters(), strict=True):
        assert torch.equal(a, b)


def test_a_factor_is_a_part_of_the_rate() -> None:
    slow, fast = nn.Parameter(torch.ones(2, 2)), nn.Parameter(torch.ones(2, 2))
    descent = Adam({"slow": slow, "fast": fast}, weight_decay=0.0, factors={"slow": 0.1})
    (slow.sum() + fast.sum()).backward()
    descent.step(0.5)
    torch.testing.assert_close(1 - slow, 0.1 * (1 - fast))
    assert slow.grad is None
