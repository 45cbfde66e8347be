"""Whole networks: the gradients of all parameters equal autograd's in double precision."""

import copy

import pytest
import torch
from torch import Tensor, nn

from convlens.gradient import backpropagate
from convlens.graph.capture import capture
from convlens.zoo import blueprint, card, names
from convlens.zoo.fcn import FCN
from convlens.zoo.structure import structure
from tests.gradient.oracle import assert_equals_autograd
from tests.graph.nets import Dense, Residual, randomized

QUICK = {
    "alexnet",
    "alexnet_2012",
    "causal_stack",
    "context_module",
    "densenet40_k12",
    "efficientnet_lite0",
    "enet",
    "googlenet",
    "googlenet_paper",
    "house",
    "lenet5",
    "mlp",
    "mobilenet_v2",
    "nin",
    "plain20",
    "preact_resnet20",
    "resnet18",
    "resnet20",
    "resnet20_span3",
    "small_convnet",
    "squeezenet1_1",
    "vgg11_bn",
    "zfnet",
}
"""One network of each kind of block; the others are as sure but slower, and marked `slow`."""

FCN_SKIPS = {"fcn32s": 0, "fcn16s": 1, "fcn8s": 2}


@pytest.mark.parametrize("training", [False, True], ids=["eval", "train"])
@pytest.mark.parametrize("net", [Residual, Dense])
def test_small_networks(net: type[nn.Module], training: bool) -> None:
    module = randomized(net()).double().train(training)
    upstream = torch.randn(2, 3 if net is Residual else 2, dtype=torch.float64)
    assert_equals_autograd(module, torch.randn(2, 3, 6, 6, dtype=torch.float64), upstream=upstream)


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name in QUICK else pytest.mark.slow) for name in names()]
)
def test_networks_of_the_zoo_in_training(name: str) -> None:
    compare_with_autograd(name, training=True)


@pytest.mark.parametrize("name", ["densenet40_k12", "house", "inception_v3", "resnet18", "vgg11_bn"])
def test_networks_of_the_zoo_in_use(name: str) -> None:
    compare_with_autograd(name, training=False)


def compare_with_autograd(name: str, *, training: bool) -> None:
    """All outputs, those of auxiliary heads too, against autograd: every parameter has its gradient."""
    torch.manual_seed(0)
    module = Whole(narrow(name)).double().train(training)
    channels, *sides = card(name).input_shape
    least = card(name).least_size
    x = torch.randn(2, channels, *(least if least > 1 else min(side, 32) for side in sides), dtype=torch.float64)
    result = assert_equals_autograd(module, x, free_batch=False)  # exported in half the time
    unused = set() if training else {path for path, _ in module.named_parameters() if "Aux" in path or "aux" in path}
    assert set(result.parameters) == {path for path, _ in module.named_parameters()} - unused


class Whole(nn.Module):
    """A network with all its outputs in one tensor."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> Tensor:
        result = self.network(x)
        outputs = (result,) if isinstance(result, Tensor) else (result.scores, *result.auxiliary)
        return torch.cat([y.flatten(1) for y in outputs], 1)


def narrow(name: str) -> nn.Module:
    """The network with 16 units in place of 4096, in layers that would take most of the time and the memory."""
    if name in FCN_SKIPS:
        module = structure(lambda classes: FCN(classes, skips=FCN_SKIPS[name], hidden=16), 3)
    else:
        module = blueprint(name, 3)
    with torch.device("meta"):
        for path, layer in list(module.named_modules()):
            parent, _, last = path.rpartition(".")
            if isinstance(layer, nn.Linear) and 4096 in (layer.in_features, layer.out_features):
                sizes = (16 if size == 4096 else size for size in (layer.in_features, layer.out_features))
                setattr(module.get_submodule(parent), last, nn.Linear(*sizes))
            if isinstance(layer, nn.Conv2d) and 4096 in (layer.in_channels, layer.out_channels):
                channels = (16 if size == 4096 else size for size in (layer.in_channels, layer.out_channels))
                narrower = nn.Conv2d(*channels, layer.kernel_size, layer.stride, layer.padding, layer.dilation)  # type: ignore[arg-type]
                setattr(module.get_submodule(parent), last, narrower)
    module.to_empty(device="cpu")
    for layer in module.modules():
        if hasattr(layer, "reset_parameters"):
            layer.reset_parameters()
    return module


class StochasticDepth(nn.Module):
    """A residual branch that is left out at random (Huang et al., arXiv:1603.09382), drawn in place."""

    def __init__(self) -> None:
        super().__init__()
        self.branch = nn.Linear(4, 4)

    def forward(self, x: Tensor) -> Tensor:
        keep = torch.empty(x.shape[0], 1, dtype=x.dtype).bernoulli_(0.5).div_(0.5)
        y: Tensor = x + self.branch(x) * keep
        return y


def test_stochastic_depth() -> None:
    module = StochasticDepth().double().train()
    result = assert_equals_autograd(module, torch.randn(40, 4, dtype=torch.float64))
    assert result.parameters["branch.weight"].any()


def test_channels_last_memory() -> None:
    module = randomized(Dense()).double().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    x = torch.randn(2, 3, 6, 6, dtype=torch.float64).contiguous(memory_format=torch.channels_last)
    assert_equals_autograd(module, x)


def test_running_statistics_and_counters_move_once_for_each_pass() -> None:
    module = randomized(Residual()).double().train()
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
