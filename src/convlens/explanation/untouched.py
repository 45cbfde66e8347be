"""A module that is looked at, and stays as it was."""

import contextlib
from collections.abc import Iterator

import torch
from torch import nn


@contextlib.contextmanager
def evaluating(module: nn.Module) -> Iterator[None]:
    """The module in evaluation mode; afterwards each of its parts is in the mode that it was in."""
    modes = {part: part.training for part in module.modules()}
    module.eval()
    try:
        yield
    finally:
        for part, training in modes.items():
            part.training = training


@contextlib.contextmanager
def untouched(module: nn.Module) -> Iterator[None]:
    """Whatever runs inside finds the same buffers and the same random numbers, and the buffers stay as they were.

    Some modules change buffers in evaluation mode, too, or drop out at random in it; several passes would then be of
    several networks.
    """
    kept = [
        (part, key, buffer, buffer.clone())
        for part in module.modules()
        for key, buffer in part._buffers.items()
        if buffer is not None
    ]
    with torch.random.fork_rng():
        try:
            yield
        finally:
            for part, key, buffer, before in kept:
                part._buffers[key] = buffer
                if not torch.equal(buffer, before):
                    buffer.detach_().copy_(before)  # a change that autograd saw hangs on its graph
