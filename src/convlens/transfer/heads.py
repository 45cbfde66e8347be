"""Heads: the new last layer for the classes of one's own pictures."""

import torch
from torch import nn

from convlens.core.errors import UsageError


def replace_head(module: nn.Module, head: str, classes: int, seed: int) -> None:
    """Put a new linear layer for `classes` classes in the place of the last layer, at the dotted name `head`."""
    old = module.get_submodule(head)
    if not isinstance(old, nn.Linear):
        raise UsageError(f"the head {head!r} is a {type(old).__name__}; only linear last layers can be replaced")
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        new = nn.Linear(old.in_features, classes)
    parent, _, name = head.rpartition(".")
    setattr(module.get_submodule(parent), name, new)
