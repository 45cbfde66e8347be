"""Labeled examples for the loop: stored features, or stored pixels that are augmented afresh."""

from collections.abc import Callable, Sequence
from typing import Self

import torch
from torch import Tensor

from convlens.core.preprocessing import Preprocessing
from convlens.transfer.features import FeatureRows

Transform = Callable[[Tensor, Preprocessing], Tensor]
"""From stored 8-bit pixels (N, H, W, 3) to network input (N, 3, size, size)."""


class FeatureExamples:
    """Rows of the feature store as float32, with their encoded labels (see `training.task`).

    With `views`, rows of augmented views of the same images, each access takes one of them or the plain one, as
    torch's global generator decides.
    """

    def __init__(
        self, rows: FeatureRows, labels: Tensor, files: Sequence[str], views: Sequence[FeatureRows] = ()
    ) -> None:
        self.labels = labels
        self.files = files
        self._rows = rows
        self._sources = (rows, *views)

    def batch(self, indices: Tensor) -> tuple[Tensor, ...]:
        """The crossing tensors of these examples; maps of images lie channels last in memory."""
        columns = self._drawn(indices) if len(self._sources) > 1 else self._rows.batch(indices)
        return tuple(
            column.to(torch.float32, memory_format=torch.channels_last) if column.ndim == 4 else column.float()
            for column in columns
        )

    def _drawn(self, indices: Tensor) -> tuple[Tensor, ...]:
        """The crossing tensors of one view of each example."""
        choice = torch.randint(len(self._sources), (len(indices),))
        chosen = [(choice == number).nonzero().flatten() for number in range(len(self._sources))]
        parts = [
            source.batch(indices[places]) for source, places in zip(self._sources, chosen, strict=True) if len(places)
        ]
        back = torch.cat(chosen).argsort()
        return tuple(torch.cat(columns)[back] for columns in zip(*parts, strict=True))


class PixelExamples:
    """Stored pixels as network input, through a transform that may draw something new each time."""

    def __init__(
        self,
        rows: FeatureRows,
        labels: Tensor,
        files: Sequence[str],
        preprocessing: Preprocessing,
        transform: Transform,
        device: str = "cpu",
    ) -> None:
        """The transform computes on the `device`."""
        self.labels = labels
        self.files = files
        self._rows = rows
        self._preprocessing = preprocessing
        self._transform = transform
        self._device = device

    def batch(self, indices: Tensor) -> tuple[Tensor, ...]:
        """One tensor of shape (len(indices), 3, size, size)."""
        (pixels,) = self._rows.batch(indices)
        return (self._transform(pixels.to(self._device), self._preprocessing),)

    def at(self, size: int) -> Self:
        """The same images for another input size, from the same stored pixels."""
        preprocessing = self._preprocessing.model_copy(update={"size": size})
        return type(self)(self._rows, self.labels, self.files, preprocessing, self._transform, self._device)
