"""Whole networks: the gradients of all parameters equal autograd's in double precision."""

import copy

import pytest
import torch
from torch import Tensor, nn

from convlens.gradient import backpropagate
from convlens.graph.capture import capture
from convlens.zoo import network
from tests.gradient.oracle import assert_equals_autograd
from tests.graph.nets import Dense, Residual, randomised

ZOO = {"house": 32, "resnet18": 32, "densenet121": 32, "alexnet": 64, "vgg11": 32}
"""Network -> pixels."""


@pytest.mark.parametrize("training", [False, True], ids=["eval", "train"])
@pytest.mark.parametrize("net", [Residual, Dense])
def test_small_networks(net: type[nn.Module], training: bool) -> None:
    module = randomised(net()).double().train(training)
    upstream = torch.randn(2, 3 if net is Residual else 2, dtype=torch.float64)
    assert_equals_autograd(module, torch.randn(2, 3, 6, 6, dtype=torch.float64), upstream=upstream)


@pytest.mark.parametrize("training", [False, True], ids=["eval", "train"])
@pytest.mark.parametrize("name", ZOO)
def test_networks_of_the_zoo(name: str, training: bool) -> None:
    module = narrow(name).double().train(training)
    x = torch.randn(2, 3, ZOO[name], ZOO[name], dtype=torch.float64)
    result = assert_equals_autograd(module, x, free_batch=False)  # exported in half the time
    assert set(result.parameters) == {parameter for parameter, _ in module.named_parameters()}


def narrow(name: str) -> nn.Module:
    """The network with 16 units in place of 4096 in its fully connected layers, which take most of the time."""
    torch.manual_seed(0)
    with torch.device("meta"):
        module = network(name, classes=3)
        for path, layer in list(module.named_modules()):
            if isinstance(layer, nn.Linear) and 4096 in (layer.in_features, layer.out_features):
                parent, _, last = path.rpartition(".")
                sizes = (16 if size == 4096 else size for size in (layer.in_features, layer.out_features))
                setattr(module.get_submodule(parent), last, nn.Linear(*sizes))
    module.to_empty(device="cpu")
    for layer in module.modules():
        if hasattr(layer, "reset_parameters"):
            layer.reset_parameters()
    return module


def test_channels_last_memory() -> None:
    module = randomised(Dense()).double().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    x = torch.randn(2, 3, 6, 6, dtype=torch.float64).contiguous(memory_format=torch.channels_last)
    assert_equals_autograd(module, x)


def test_running_statistics_and_counters_move_once_for_each_pass() -> None:
    module = randomised(Residual()).double().train()
    assert_equals_autograd(module, torch.randn(2, 3, 6, 6, dtype=torch.float64))
    assert module.bn1.num_batches_tracked == 1


class Loss(nn.Module):
    """Two layers and a loss."""

    def __init__(self, loss: nn.Module, outputs: int) -> None:
        super().__init__()
        self.hidden, self.last, self.loss = nn.Linear(4, 5), nn.Linear(5, outputs), loss

    def forward(self, x: Tensor, target: Tensor) -> Tensor:
        scores = self.last(torch.tanh(self.hidden(x)))
        loss: Tensor = self.loss(
            scores.squeeze(1) if target.ndim == 1 and target.is_floating_point() else scores, target
        )
        return loss


LOSSES = {
    "L2, scalar target": (nn.MSELoss(), 1, torch.randn(6, dtype=torch.float64)),
    "L2, vector target": (nn.MSELoss(), 3, torch.randn(6, 3, dtype=torch.float64)),
    "binary cross-entropy": (nn.BCEWithLogitsLoss(), 1, torch.tensor([0, 1, 1, 0, 1, 0]).double()),
    "categorical cross-entropy": (nn.CrossEntropyLoss(), 3, torch.tensor([0, 2, 1, 1, 0, 2])),
}


@pytest.mark.parametrize("name", LOSSES)
def test_two_layers_with_each_loss(name: str) -> None:
    loss, outputs, target = LOSSES[name]
    assert_equals_autograd(Loss(loss, outputs).double(), torch.randn(6, 4, dtype=torch.float64), target)


@pytest.mark.parametrize("name", LOSSES)
def test_200_steps_of_descent_end_where_autograd_ends(name: str) -> None:
    loss, outputs, target = LOSSES[name]
    x = torch.randn(6, 4, dtype=torch.float64)
    ours = Loss(loss, outputs).double()
    theirs = copy.deepcopy(ours)
    graph = capture(ours, x, target)
    descent = torch.optim.SGD(theirs.parameters(), lr=0.1, momentum=0.9)
    own_descent = torch.optim.SGD(ours.parameters(), lr=0.1, momentum=0.9)
    for _ in range(200):
        gradients = backpropagate(graph, x, target, input_gradients=False).parameters
        for parameter_name, parameter in ours.named_parameters():
            parameter.grad = gradients[parameter_name]
        own_descent.step()
        descent.zero_grad()
        theirs(x, target).backward()
        descent.step()
    for mine, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(mine, other, rtol=0, atol=1e-8)
