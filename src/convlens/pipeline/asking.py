"""Asking a trained network: its outputs for images, and what its last layer read of them, batch by batch."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from convlens.core.preprocessing import Preprocessing
from convlens.core.progress import Progress
from convlens.core.run import Problem
from convlens.data.batches import decoded_batches, normalized
from convlens.data.manifest import ImageFile
from convlens.transfer.pooling import pooled

_BATCH_SIZE = 32


class Asked(NamedTuple):
    """A batch of images that could be read, with what the network makes of them."""

    images: Sequence[ImageFile]
    outputs: Tensor
    """Of shape (N, outputs), float32."""
    vectors: Tensor
    """What the last layer read, mean over places where it read maps, of shape (N, D), float32."""
    problems: Sequence[Problem]


class Asking:
    """A network in evaluation mode and a number format, ready to be asked."""

    def __init__(self, module: nn.Module, head: str, preprocessing: Preprocessing, dtype: torch.dtype) -> None:
        """`head` is the path of the last layer; the module is changed."""
        self._module = module.eval().to(dtype, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._head, self._preprocessing, self._dtype = head, preprocessing, dtype

    def batches(self, images: Sequence[ImageFile], progress: Progress) -> Iterator[Asked]:
        """All images, in their order; those that cannot be read are among the problems."""
        read: list[Tensor] = []

        def keep(_: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            read[:] = inputs[:1]

        hook = self._module.get_submodule(self._head).register_forward_pre_hook(keep)
        try:
            with torch.inference_mode(), progress("predict", len(images)) as advance:
                for batch in decoded_batches(images, self._preprocessing, _BATCH_SIZE):
                    if batch.images:
                        inputs = normalized(batch.pixels, self._preprocessing).to(self._dtype)
                        outputs = self._module(inputs).float()
                        yield Asked(batch.images, outputs, pooled(read[0].float()), batch.problems)
                    else:
                        yield Asked((), torch.empty(0), torch.empty(0), batch.problems)
                    advance(len(batch.images) + len(batch.problems))
        finally:
            hook.remove()
