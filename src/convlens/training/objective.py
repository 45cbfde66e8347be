"""What training makes small, and which outputs count as right."""

import dataclasses
from typing import NamedTuple, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor


class Standing(NamedTuple):
    """How well outputs do."""

    loss: float
    accuracy: float | None
    """In 0..1; None where nothing is right or wrong."""


class Objective(Protocol):
    """The loss of outputs of shape (N, width) against targets, for training and for judging."""

    def loss(self, outputs: Tensor, targets: Tensor, label_smoothing: float = 0.0) -> Tensor:
        """The mean loss that is trained on, with all weights."""
        ...

    def hits(self, outputs: Tensor, targets: Tensor) -> float:
        """How many of the N are right, those that are right in part counted as that part; 0 where none can be."""
        ...

    def standing(self, outputs: Tensor, targets: Tensor) -> Standing:
        """The mean loss without smoothing and weights, and the part that is right."""
        ...


@dataclasses.dataclass(frozen=True)
class CategoricalCrossEntropy:
    """−log pₜ for the true class t, with p the softmax of the logits; targets are class numbers, int64, of shape (N,).

    `weights`, of shape (classes,), say how much an example of each class counts.
    """

    weights: Tensor | None = None

    def loss(self, outputs: Tensor, targets: Tensor, label_smoothing: float = 0.0) -> Tensor:
        """The mean over the batch, in nats; `label_smoothing` of each target is shared by all classes."""
        return F.cross_entropy(outputs, targets, self.weights, label_smoothing=label_smoothing)

    def hits(self, outputs: Tensor, targets: Tensor) -> float:
        """How many have their largest logit at the true class."""
        return (outputs.argmax(1) == targets).sum().item()

    def importance(self, classes: int) -> Tensor:
        """How much an example of each class counts in the mean, of shape (classes,)."""
        return torch.ones(classes) if self.weights is None else self.weights

    def asked(self, classes: int, label_smoothing: float = 0.0) -> Tensor:
        """How often −log p of every class (column) stands in the loss of an example of each class (row).

        The mean loss is the sum of such rows times −log p, over the sum of the examples' importance.
        """
        importance = self.importance(classes)
        own = torch.diag((1 - label_smoothing) * importance)
        return own + label_smoothing / classes * importance if label_smoothing else own

    def standing(self, outputs: Tensor, targets: Tensor) -> Standing:
        """Mean loss in nats, and accuracy."""
        return Standing(F.cross_entropy(outputs, targets).item(), self.hits(outputs, targets) / len(targets))


@dataclasses.dataclass(frozen=True)
class BinaryCrossEntropy:
    """−y log p − (1 − y) log(1 − p) for every label, with p the sigmoid of its logit; targets y (N, labels) are 0 or 1.

    `positive_weights`, of shape (labels,), say how much an image that has the label counts.
    """

    positive_weights: Tensor | None = None

    def loss(self, outputs: Tensor, targets: Tensor, label_smoothing: float = 0.0) -> Tensor:
        """The mean over batch and labels, in nats; with smoothing ε the target is (1 − ε) y + ε / 2."""
        smooth = targets + label_smoothing * (0.5 - targets)
        return F.binary_cross_entropy_with_logits(outputs, smooth, pos_weight=self.positive_weights)

    def hits(self, outputs: Tensor, targets: Tensor) -> float:
        """The labels that are predicted correctly (probability over a half or not), as a part of all labels, summed."""
        return ((outputs > 0) == (targets > 0.5)).float().mean(1).sum().item()

    def standing(self, outputs: Tensor, targets: Tensor) -> Standing:
        """Mean loss in nats, and the part of all labels of all images that is predicted correctly."""
        loss = F.binary_cross_entropy_with_logits(outputs, targets).item()
        return Standing(loss, self.hits(outputs, targets) / len(targets))


@dataclasses.dataclass(frozen=True)
class L2:
    """The squared error, for numbers, mean 0 and variance 1 on the training images; targets of shape (N, numbers)."""

    def loss(self, outputs: Tensor, targets: Tensor, label_smoothing: float = 0.0) -> Tensor:
        """The mean over batch and numbers; there are no labels to be smoothed."""
        return F.mse_loss(outputs, targets)

    def hits(self, outputs: Tensor, targets: Tensor) -> float:
        """0: a number is near or far, not right or wrong."""
        return 0.0

    def standing(self, outputs: Tensor, targets: Tensor) -> Standing:
        """Mean squared error; 1 is that of always saying the mean."""
        return Standing(F.mse_loss(outputs, targets).item(), None)
