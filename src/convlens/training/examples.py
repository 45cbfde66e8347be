"""Examples: what the loop learns from and is evaluated on."""

from collections.abc import Sequence
from typing import Protocol

from torch import Tensor


class Examples(Protocol):
    """Labeled examples, read in batches by their numbers."""

    @property
    def labels(self) -> Tensor:
        """What the outputs are compared with, as a `Target` encodes it: N rows; class numbers, int64, for classes."""
        ...

    @property
    def files(self) -> Sequence[str]:
        """Where each example comes from, to be named to a person."""
        ...

    def batch(self, indices: Tensor) -> tuple[Tensor, ...]:
        """The input tensors of these examples, each of shape (len(indices), ...)."""
        ...
