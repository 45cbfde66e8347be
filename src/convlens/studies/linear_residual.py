"""Deep linear networks with shortcuts, and the curvature of their loss: from gradients, and from formulas.

Legend: `width` d inputs and outputs, `depth` L layers with weights W_1 ... W_L of shape (d, d); x is (N, d), one input
a row. The loss is the mean of |y - target|^2 / 2 over the N inputs. S = E[x x^T] and C = E[target x^T], both (d, d),
are all that its derivatives depend on. Hessians are (L d^2, L d^2), in the order of the weights: layer, row, column.

After Li, Jiao, Han, Weissman: Demystifying ResNet, arXiv:1611.01186; formulas derived here.
"""

import functools
import itertools
from collections.abc import Sequence
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn

from convlens.gradient.backpropagate import backpropagate
from convlens.graph.capture import capture
from convlens.graph.graph import Graph

Start = Literal["zero", "Xavier", "orthogonal"]
_STEP = 1.0
_TENTH = 0.1


class Regression(NamedTuple):
    """Inputs and targets, both (N, d)."""

    inputs: Tensor
    targets: Tensor

    @property
    def input_covariance(self) -> Tensor:
        """S = E[x x^T], (d, d)."""
        return self.inputs.T @ self.inputs / len(self.inputs)

    @property
    def cross_covariance(self) -> Tensor:
        """C = E[target x^T], (d, d)."""
        return self.targets.T @ self.inputs / len(self.inputs)


class LinearNetwork(nn.Module):
    """The loss of a linear network: blocks of `span` layers, each beside a shortcut; without a span, none has one.

    y = (I + W_L ... W_(L-span+1)) ... (I + W_span ... W_1) x, or W_L ... W_1 x. In double precision, at zero.
    """

    def __init__(self, width: int, depth: int, span: int | None) -> None:
        super().__init__()
        self.span = span
        self.weights = nn.ParameterList(torch.zeros(width, width, dtype=torch.float64) for _ in range(depth))

    def forward(self, x: Tensor, target: Tensor) -> Tensor:
        """The loss, a scalar, of inputs and targets (N, d)."""
        weights, length = [*self.weights], self.span or len(self.weights)
        for start in range(0, len(weights), length):
            y = x
            for weight in weights[start : start + length]:
                y = y @ weight.T
            x = y if self.span is None else x + y
        return (x - target).square().sum() / (2 * len(target))


@functools.cache
def linear_network(width: int, depth: int, span: int | None) -> LinearNetwork:
    """The network of that form, one for all who ask, so that its graph is captured once: its weights are the caller's
    to set."""
    return LinearNetwork(width, depth, span)


class Curvature(NamedTuple):
    """What a Hessian says of the loss near a point."""

    condition: float
    """The largest absolute eigenvalue over the smallest."""
    condition_of_tenth: float
    """The largest over that below which a tenth of the absolute eigenvalues lies: no single one decides it."""


def random_regression(width: int, count: int, generator: torch.Generator) -> Regression:
    """`count` normal inputs, and targets by a linear map with normal entries that keeps their size on average."""
    inputs = torch.randn(count, width, generator=generator, dtype=torch.float64)
    wanted = torch.randn(width, width, generator=generator, dtype=torch.float64) / width**0.5
    return Regression(inputs, inputs @ wanted.T)


@torch.no_grad()
def start_at(network: LinearNetwork, start: Start, generator: torch.Generator) -> None:
    """Give the weights their values before training."""
    for weight in network.weights:
        if start == "zero":
            weight.zero_()
        elif start == "Xavier":
            nn.init.xavier_normal_(weight, generator=generator)
        else:
            nn.init.orthogonal_(weight, generator=generator)


def hessian_of_gradients(network: LinearNetwork, data: Regression) -> tuple[Tensor, Tensor]:
    """The Hessian and the gradient, (L d^2,), at the network's weights, both by convlens's own backward pass.

    The output is linear in each single weight, so the loss is a polynomial of degree 2 in it and so is every gradient:
    its central difference is the derivative, whatever the step.
    """
    graph = _captured(network, *data.inputs.shape)
    names = [name for name, _ in network.named_parameters()]

    def gradient() -> Tensor:
        found = backpropagate(graph, *data, input_gradients=False).parameters
        return torch.cat([found[name].flatten() for name in names])

    rows = []
    with torch.no_grad():
        for weight in network.weights:
            entries = weight.view(-1)
            for place in range(len(entries)):
                value = entries[place].clone()
                entries[place] = value + _STEP
                above = gradient()
                entries[place] = value - _STEP
                below = gradient()
                entries[place] = value
                rows.append((above - below) / (2 * _STEP))
        return torch.stack(rows), gradient()


@functools.lru_cache(maxsize=64)
def _captured(network: LinearNetwork, count: int, width: int) -> Graph:
    """The graph of the loss of `count` inputs, on the network's own weights."""
    x, target = (torch.zeros(count, width, dtype=torch.float64) for _ in range(2))
    return capture(network, x, target, free_batch=False, compare=False)


def hessian_by_formula(weights: Sequence[Tensor], data: Regression) -> Tensor:
    """The Hessian of the network y = W_L ... W_1 x without shortcuts.

    With U_a the product of the layers behind layer a and V_a that of those before it, a change of W_a changes y by
    U_a dW_a V_a x. Layers a and b share U_a^T U_b ⊗ V_a S V_b^T, and for a behind b, with M between them and
    E = W_L ... W_1 S - C, the bilinear form <E, U_a dW_a M dW_b V_b>.

    Shortcuts over one layer at zero are this network at W = I.
    """
    depth, width = len(weights), len(data.inputs.T)
    one = torch.eye(width, dtype=torch.float64)
    before, behind = [one], [one]
    for weight in weights:
        before.append(weight @ before[-1])
    for weight in reversed(weights):
        behind.insert(0, behind[0] @ weight)
    error = before[-1] @ data.input_covariance - data.cross_covariance
    hessian = torch.zeros(depth, width, width, depth, width, width, dtype=torch.float64)
    for a, b in itertools.product(range(depth), repeat=2):
        outer, inner = behind[a + 1].T @ behind[b + 1], before[a] @ data.input_covariance @ before[b].T
        hessian[a, :, :, b] = torch.einsum("ik,jl->ijkl", outer, inner)
    for a in range(depth):
        between = one
        for b in reversed(range(a)):
            form = torch.einsum("il,jk->ijkl", behind[a + 1].T @ error @ before[b].T, between)
            hessian[a, :, :, b] += form
            hessian[b, :, :, a] += form.permute(2, 3, 0, 1)
            between = between @ weights[b]
    return hessian.reshape(depth * width**2, -1)


def curvature(hessian: Tensor) -> Curvature:
    """The condition numbers of a Hessian that is not zero."""
    return _curvature(torch.linalg.eigvalsh(hessian).abs())


def curvature_of_shortcuts_over_two(data: Regression) -> Curvature:
    """At zero, of any depth: blocks do not meet, and in each the two layers do by <S - C, dW_2 dW_1>.

    So the absolute eigenvalues are the singular values of S - C, each equally often.
    """
    return _curvature(torch.linalg.svdvals(data.input_covariance - data.cross_covariance))


def _curvature(sizes: Tensor) -> Curvature:
    ordered = sizes.sort().values
    tenth = ordered[int(_TENTH * len(ordered))]
    return Curvature(float(ordered[-1] / ordered[0]), float(ordered[-1] / tenth))
