"""A shard of the store as a file of which rows are read when they are wanted."""

import contextlib
import json
import math
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

_FORMATS = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16, "U8": torch.uint8}
_LENGTH_BYTES = 8


class _Place(NamedTuple):
    """Where a tensor lies in the file, and what it is."""

    offset: int
    shape: tuple[int, ...]
    dtype: torch.dtype

    @property
    def row_bytes(self) -> int:
        return math.prod(self.shape[1:]) * self.dtype.itemsize


class ShardFile:
    """The tensors of a safetensors file, of which only single rows are read.

    A memory map would count the pages around every row that was ever read as this process's memory, megabytes for a
    row where the system has large pages. The file is open only while rows are read: a store may have thousands.
    Its format: the length of a JSON header in 8 bytes, the header with format, shape and place of each tensor, and the
    tensors.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        with path.open("rb") as file:
            length = int.from_bytes(file.read(_LENGTH_BYTES), "little")
            header = json.loads(file.read(length))
        start = _LENGTH_BYTES + length
        self._places = {
            name: _Place(start + about["data_offsets"][0], tuple(about["shape"]), _FORMATS[about["dtype"]])
            for name, about in header.items()
            if name != "__metadata__"
        }

    @property
    def names(self) -> list[str]:
        """Of the tensors, in the order of the alphabet."""
        return sorted(self._places)

    def row_bytes(self, name: str) -> int:
        """Bytes that one row of the tensor takes."""
        return self._places[name].row_bytes

    def empty(self, name: str, count: int) -> Tensor:
        """Room for so many rows of the tensor, to be read into."""
        place = self._places[name]
        return torch.empty((count, *place.shape[1:]), dtype=place.dtype)

    def whole(self, name: str) -> Tensor:
        """All rows of the tensor."""
        place = self._places[name]
        rows = self.empty(name, place.shape[0])
        with self._opened() as descriptor:
            _fill(descriptor, _bytes_of(rows), place.offset)
        return rows

    def read(self, name: str, numbers: Sequence[int], rows: Tensor, positions: Sequence[int]) -> None:
        """Read the tensor's rows of these numbers into `rows`, each at its position there."""
        place = self._places[name]
        size, target = place.row_bytes, _bytes_of(rows)
        with self._opened() as descriptor:
            for number, position in zip(numbers, positions, strict=True):
                part, offset = target[position * size : (position + 1) * size], place.offset + number * size
                if os.preadv(descriptor, [part], offset) < size:
                    _fill(descriptor, part, offset)

    @contextlib.contextmanager
    def _opened(self) -> Iterator[int]:
        """The file's descriptor: a minibatch opens every shard, and a file object would cost as much as its rows."""
        descriptor = os.open(self._path, os.O_RDONLY)
        try:
            yield descriptor
        finally:
            os.close(descriptor)


def _bytes_of(rows: Tensor) -> memoryview:
    """The memory of the rows, to be written to."""
    return rows.view(torch.uint8).numpy().reshape(-1).data if rows.numel() else memoryview(bytearray())


def _fill(descriptor: int, target: memoryview, offset: int) -> None:
    """Read the file from there until the target is full: the system may give less at once."""
    done = 0
    while done < len(target):
        count = os.preadv(descriptor, [target[done:]], offset + done)
        if not count:
            raise EOFError(f"a file of the feature store ends at {offset + done}, within a row.")
        done += count
