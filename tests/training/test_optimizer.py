import torch
from torch import nn

from convlens.training.optimizer import StochasticGradientDescent


def trained(steps: int, momentum: float, weight_decay: float, *, ours: bool) -> list[torch.Tensor]:
    torch.manual_seed(0)
    module = nn.Sequential(nn.Conv2d(2, 3, 3), nn.Flatten(), nn.Linear(12, 2)).double()
    x, y = torch.randn(8, 2, 4, 4).double(), torch.randint(2, (8,))
    if ours:
        descent = StochasticGradientDescent(module.parameters(), momentum=momentum, weight_decay=weight_decay)
    else:
        groups = [
            {"params": [p for p in module.parameters() if p.ndim > 1], "weight_decay": weight_decay},
            {"params": [p for p in module.parameters() if p.ndim <= 1]},
        ]
        reference = torch.optim.SGD(groups, momentum=momentum)
    for step in range(steps):
        nn.functional.cross_entropy(module(x), y).backward()
        rate = 0.1 / (1 + step)
        if ours:
            descent.step(rate)
        else:
            for group in reference.param_groups:
                group["lr"] = rate
            reference.step()
            reference.zero_grad()
    return [p.detach() for p in module.parameters()]


def test_the_steps_are_those_of_torchs_sgd() -> None:
    for momentum, weight_decay in ((0.0, 0.0), (0.9, 0.0), (0.9, 0.01)):
        ours = trained(5, momentum, weight_decay, ours=True)
        theirs = trained(5, momentum, weight_decay, ours=False)
        for a, b in zip(ours, theirs, strict=True):
            torch.testing.assert_close(a, b, rtol=1e-12, atol=0)


def test_gradients_are_forgotten_and_unused_parameters_stay() -> None:
    used, unused = nn.Parameter(torch.ones(2, 2)), nn.Parameter(torch.ones(2, 2))
    descent = StochasticGradientDescent([used, unused], momentum=0.9, weight_decay=0.1)
    used.sum().backward()
    descent.step(0.1)
    assert used.grad is None
    assert used.max() < 1
    assert torch.equal(unused, torch.ones(2, 2))
