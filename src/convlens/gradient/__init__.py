"""Backpropagation over a graph by our own rules; gradient tensors and the tensor chain rule; checks of both."""

from convlens.gradient.backpropagate import Backpropagation as Backpropagation
from convlens.gradient.backpropagate import backpropagate as backpropagate
from convlens.gradient.check import GradientCheck as GradientCheck
from convlens.gradient.check import OperatorCheck as OperatorCheck
from convlens.gradient.check import check_gradients as check_gradients
from convlens.gradient.tensor import chain as chain
from convlens.gradient.tensor import gradient_tensor as gradient_tensor
