"""Mixing: two examples become one, and so do their labels."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor


class Mixed(NamedTuple):
    """A minibatch of which each example is `share` of one class and 1 - `share` of another."""

    inputs: tuple[Tensor, ...]
    labels: Tensor
    others: Tensor
    share: float

    def loss(self, logits: Tensor, label_smoothing: float, weights: Tensor | None = None) -> Tensor:
        """Mean categorical cross-entropy of logits (N, classes) against both labels, each by its share.

        With `weights`, of shape (classes,), an example counts as much as its class does.
        """
        loss = F.cross_entropy(logits, self.labels, weights, label_smoothing=label_smoothing)
        if self.share == 1:
            return loss
        other = F.cross_entropy(logits, self.others, weights, label_smoothing=label_smoothing)
        return self.share * loss + (1 - self.share) * other

    def hits(self, logits: Tensor) -> float:
        """How many examples were classified rightly; a class that is a part of an example counts as that part."""
        predicted = logits.argmax(1)
        right, other = ((predicted == labels).sum().item() for labels in (self.labels, self.others))
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
    """Start and end of a span around a uniform centre, `part` of `length` long, cut off at the border."""
    centre, half = torch.rand(()).item() * length, part * length / 2
    return max(0, round(centre - half)), min(length, round(centre + half))


def _beta(alpha: float) -> float:
    """A draw from Beta(alpha, alpha): x / (x + y) for two draws of Gamma(alpha)."""
    return torch.distributions.Beta(alpha, alpha).sample().item()
