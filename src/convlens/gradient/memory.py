"""Does a gradient tensor fit into this machine's memory?"""

import os
from math import prod

import torch

from convlens.core.errors import MachineError

SHARE = 4
"""One gradient tensor may take the fourth part of the memory."""
ASSUMED_BYTES = 2**33
"""The memory of a machine that does not tell: 8 GiB."""


def memory_bytes() -> int:
    """The physical memory of this machine."""
    if not hasattr(os, "sysconf"):
        return ASSUMED_BYTES
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def refuse_unless_it_fits(what: str, output: tuple[int, ...], source: tuple[int, ...], dtype: torch.dtype) -> None:
    """MachineError when a tensor of shape `output + source` takes more than a quarter of the memory."""
    elements = prod(output) * prod(source)
    needed, limit = elements * dtype.itemsize, memory_bytes() // SHARE
    if needed > limit:
        raise MachineError(
            f"{what} has the shape {(*output, *source)}: {elements:,} elements, {needed:,} bytes. That is more than "
            f"{limit:,} bytes, a quarter of this machine's memory. Take fewer elements of the output or of the input, "
            "or let backpropagate contract it with an upstream gradient, which never builds it."
        )
