import pytest
import torch
from torch import nn

from convlens.training.optimizer import StochasticGradientDescent


def trained(
    steps: int, momentum: float, weight_decay: float, nesterov: bool, clip: float, *, ours: bool
) -> list[torch.Tensor]:
    torch.manual_seed(0)
    module = nn.Sequential(nn.Conv2d(2, 3, 3), nn.Flatten(), nn.Linear(12, 2)).double()
    x, y = torch.randn(8, 2, 4, 4).double(), torch.randint(2, (8,))
    if ours:
        descent = StochasticGradientDescent(
            dict(module.named_parameters()), momentum=momentum, weight_decay=weight_decay, nesterov=nesterov, clip=clip
        )
    else:
        groups = [
            {"params": [p for p in module.parameters() if p.ndim > 1], "weight_decay": weight_decay},
            {"params": [p for p in module.parameters() if p.ndim <= 1]},
        ]
        reference = torch.optim.SGD(groups, momentum=momentum, nesterov=nesterov)
    for step in range(steps):
        nn.functional.cross_entropy(module(x), y).backward()
        rate = 0.1 / (1 + step)
        if ours:
            descent.step(rate)
        else:
            for group in reference.param_groups:
                group["lr"] = rate
            if clip:
                torch.nn.utils.clip_grad_norm_(module.parameters(), clip)
            reference.step()
            reference.zero_grad()
    return [p.detach() for p in module.parameters()]


def test_the_steps_are_those_of_torchs_sgd() -> None:
    for chosen in ((0.0, 0.0, False, 0.0), (0.9, 0.0, False, 0.0), (0.9, 0.01, True, 0.0), (0.9, 0.01, False, 0.1)):
        ours = trained(5, *chosen, ours=True)
        theirs = trained(5, *chosen, ours=False)
        for a, b in zip(ours, theirs, strict=True):
            torch.testing.assert_close(a, b, rtol=1e-12, atol=0)


def test_gradients_are_forgotten_and_unused_parameters_stay() -> None:
    used, unused = nn.Parameter(torch.ones(2, 2)), nn.Parameter(torch.ones(2, 2))
    descent = StochasticGradientDescent({"used": used, "unused": unused}, momentum=0.9, weight_decay=0.1)
    used.sum().backward()
    descent.step(0.1)
    assert used.grad is None
    assert used.max() < 1
    assert torch.equal(unused, torch.ones(2, 2))


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_gradients_may_lie_otherwise_in_memory_than_their_parameters(momentum: float) -> None:
    """The fused kernel would take the numbers in the wrong order."""
    torch.manual_seed(0)
    parameter = nn.Parameter(torch.randn(4, 3, 3, 3).contiguous(memory_format=torch.channels_last))
    reference = nn.Parameter(parameter.detach().clone())
    descent = StochasticGradientDescent({"filters": parameter}, momentum=momentum, weight_decay=0.1)
    theirs = torch.optim.SGD([reference], lr=0.1, momentum=momentum, weight_decay=0.1)
    for layout in (torch.contiguous_format, torch.channels_last, torch.contiguous_format):
        gradient = torch.randn(4, 3, 3, 3)
        parameter.grad = gradient.contiguous(memory_format=layout)
        reference.grad = gradient.clone()
        descent.step(0.1)
        theirs.step()
        torch.testing.assert_close(parameter, reference)


def test_nothing_to_move() -> None:
    parameter = nn.Parameter(torch.ones(2, 2))
    StochasticGradientDescent({"unused": parameter}, momentum=0.9, weight_decay=0.1).step(0.1)
    assert torch.equal(parameter, torch.ones(2, 2))
