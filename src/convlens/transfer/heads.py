"""Heads: the new last layer for the classes of one's own pictures."""

import torch
from torch import nn

from convlens.core.errors import UsageError

Convolution = nn.Conv1d | nn.Conv2d | nn.Conv3d


def replace_head(module: nn.Module, head: str, classes: int, seed: int) -> None:
    """Put a new last layer for `classes` classes in the place of the one at the dotted name `head`.

    A linear layer becomes a linear one, and a convolution one of the same kernel, so that a network whose last layer
    gives a map of scores keeps giving one. Raises UsageError for any other layer.
    """
    old = module.get_submodule(head)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        new = _like(old, head, classes)
    parent, _, name = head.rpartition(".")
    setattr(module.get_submodule(parent), name, new)


def _like(old: nn.Module, head: str, classes: int) -> nn.Module:
    """A fresh layer that reads what `old` reads and gives one channel (or number) per class."""
    if isinstance(old, nn.Linear):
        return nn.Linear(old.in_features, classes)
    if isinstance(old, Convolution) and old.groups == 1:
        geometry = {"stride": old.stride, "padding": old.padding, "dilation": old.dilation}
        return type(old)(old.in_channels, classes, old.kernel_size, **geometry)  # type: ignore[arg-type]
    raise UsageError(
        f"the head {head!r} is a {type(old).__name__}; only a linear layer or a convolution without groups can be "
        "replaced. Name the network's last layer with parameters."
    )
