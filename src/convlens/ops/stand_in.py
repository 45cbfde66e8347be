"""Stand-ins for tensors whose values were freed, for kernels that ask for a tensor only to learn its shape."""

import torch
from torch import Tensor


def stand_in(x: Tensor, like: Tensor) -> Tensor:
    """x itself, or, where only its outline is left (a meta tensor), an unwritten tensor of its shape and strides.

    It lies on the device of `like`. On a CPU its pages are never touched, so they take no memory.
    """
    return torch.empty_like(x, device=like.device) if x.is_meta else x
