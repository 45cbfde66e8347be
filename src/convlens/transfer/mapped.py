"""A shard of the store as tensors that lie in its file, and take memory only while they are read."""

import json
import math
import mmap
from pathlib import Path

import torch

_FORMATS = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16, "U8": torch.uint8}
_LENGTH_BYTES = 8


class MappedShard:
    """The tensors of a safetensors file, by name, mapped into memory and never written to.

    safetensors maps files itself, but gives no way to let go of pages that were read. Its format: the length of a JSON
    header in 8 bytes, the header with format, shape and place of each tensor, and the tensors.
    """

    def __init__(self, path: Path) -> None:
        with path.open("rb") as file:
            # torch takes no buffers that must not be written to; what would be written would reach no file.
            self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
        length = int.from_bytes(self._map[:_LENGTH_BYTES], "little")
        header = json.loads(self._map[_LENGTH_BYTES : _LENGTH_BYTES + length])
        self.tensors = {
            name: self._tensor(
                _FORMATS[about["dtype"]], about["shape"], _LENGTH_BYTES + length + about["data_offsets"][0]
            )
            for name, about in header.items()
            if name != "__metadata__"
        }

    def release(self) -> None:
        """Let go of the pages that were read; they are read again when they are needed."""
        self._map.madvise(mmap.MADV_DONTNEED)

    def _tensor(self, dtype: torch.dtype, shape: list[int], offset: int) -> torch.Tensor:
        if not (count := math.prod(shape)):
            return torch.empty(shape, dtype=dtype)
        return torch.frombuffer(self._map, dtype=dtype, count=count, offset=offset).view(shape)
