"""Mixing: two examples become one, and so do their labels."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from convlens.training.objective import Objective


class Mixed(NamedTuple):
    """A minibatch of which each example is `share` of one image and 1 - `share` of another, with both labels."""

    inputs: tuple[Tensor, ...]
    labels: Tensor
    others: Tensor
    share: float

    def loss(self, outputs: Tensor, objective: Objective, label_smoothing: float) -> Tensor:
        """The objective of outputs (N, width) against both labels, each by its share."""
        loss = objective.loss(outputs, self.labels, label_smoothing)
        if self.share == 1:
            return loss
        return self.share * loss + (1 - self.share) * objective.loss(outputs, self.others, label_smoothing)

    def hits(self, outputs: Tensor, objective: Objective) -> float:
        """How many examples are right, as the objective counts; a label that is a part of an example as that part."""
        right, other = (objective.hits(outputs, labels) for labels in (self.labels, self.others))
        return self.share * right + (1 - self.share) * other


def mixed(inputs: Sequence[Tensor], labels: Tensor, *, mixup: float, cutmix: float) -> Mixed:
    """The minibatch, each example mixed with another one of it; with both ways allowed, a coin decides for the batch.

    `mixup` > 0 adds the other example, pixel by pixel, with a share drawn from Beta(mixup, mixup) (Zhang et al.,
    arXiv:1710.09412); `cutmix` > 0 puts in a rectangle of it, likewise (Yun et al., arXiv:1905.04899), and needs one
    input of shape (N, C, H, W). torch's global generator decides.
    """
    if not mixup and not cutmix:
        return Mixed(tuple(inputs), labels, labels, 1.0)
    paste = bool(cutmix) and (not mixup or torch.rand(()).item() < 0.5)
    share = _beta(cutmix if paste else mixup)
    partner = torch.randperm(len(labels)).to(labels.device)
    if not paste:
        blended = tuple(torch.lerp(one[partner], one, share) for one in inputs)
        return Mixed(blended, labels, labels[partner], share)
    (images,) = inputs
    pasted, share = _pasted(images, partner, share)
    return Mixed((pasted,), labels, labels[partner], share)


def _pasted(images: Tensor, partner: Tensor, share: float) -> tuple[Tensor, float]:
    """Images with the same rectangle of their partners in them, and the part of the area that stayed their own."""
    rows, columns = images.shape[2:]
    top, bottom = _span(rows, (1 - share) ** 0.5)
    left, right = _span(columns, (1 - share) ** 0.5)
    pasted = images.clone()
    pasted[:, :, top:bottom, left:right] = images[partner, :, top:bottom, left:right]
    return pasted, 1 - (bottom - top) * (right - left) / (rows * columns)


def _span(length: int, part: float) -> tuple[int, int]:
    """Start and end of a span around a uniform center, `part` of `length` long, cut off at the border."""
    center, half = torch.rand(()).item() * length, part * length / 2
    return max(0, round(center - half)), min(length, round(center + half))


def _beta(alpha: float) -> float:
    """A draw from Beta(alpha, alpha): x / (x + y) for two draws of Gamma(alpha)."""
    return torch.distributions.Beta(alpha, alpha).sample().item()
