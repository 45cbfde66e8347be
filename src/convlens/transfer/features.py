"""The feature store: what the frozen prefix makes of each image, kept by content.

A row belongs to one image, known by the hash of its bytes; a table belongs to one key: preprocessing, prefix
(weights and structure), view and number format. Change any of these and other features are meant.
"""

import hashlib
import json
import mmap
from collections.abc import Iterable, Sequence
from pathlib import Path

import torch
from safetensors.torch import save
from torch import Tensor

from convlens.core.preprocessing import Preprocessing
from convlens.core.store import ShardStore
from convlens.data.decode import DECODER_VERSION
from convlens.transfer.mapped import MappedShard

_MEMORY_BUDGET = 256 * 2**20
"""Bytes of features that are held in memory; larger sets are read from the store's memory maps."""
_ROW_BITS = 32


def feature_key(preprocessing: Preprocessing, prefix: str, number_format: torch.dtype, view: int | str = 0) -> str:
    """The name of the table for these features; `prefix` is the digest of the prefix, `view` 0 the plain image."""
    parts = [preprocessing.model_dump(), DECODER_VERSION, prefix, str(number_format), view]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


class FeatureTable:
    """Rows of features for images, in immutable shards. A row is one tensor per crossing of the cut."""

    def __init__(self, root: Path, key: str) -> None:
        self.shards = ShardStore(root / "features" / key)
        self._mapped: list[MappedShard] = []
        self._places: dict[bytes, int] = {}
        """Hash of an image -> number of its shard and its row in there, as one number: there may be millions."""
        for path in self.shards.verified():
            self._index(path)

    def __contains__(self, sha256: str) -> bool:
        return bytes.fromhex(sha256) in self._places

    def add(self, images: Sequence[str], columns: Sequence[Tensor]) -> None:
        """Store rows for good: `columns[c]` has shape (len(images), ...). Raises MachineError on a full disk."""
        hashes = torch.frombuffer(bytearray.fromhex("".join(images)), dtype=torch.uint8).view(-1, 32)
        content = save({"images": hashes, **{f"column{c}": column.contiguous() for c, column in enumerate(columns)}})
        self._index(self.shards.write(content))

    def rows(self, images: Iterable[str]) -> "FeatureRows":
        """The rows of these images, in their order. Raises KeyError for an image that is not stored."""
        places = torch.tensor([self._places[bytes.fromhex(sha256)] for sha256 in images], dtype=torch.int64)
        return FeatureRows(self._mapped, torch.stack([places >> _ROW_BITS, places & (2**_ROW_BITS - 1)], 1))

    def _index(self, path: Path) -> None:
        shard = MappedShard(path)
        first = len(self._mapped) << _ROW_BITS
        self._mapped.append(shard)
        for row, digest in enumerate(shard.tensors["images"].numpy()):
            self._places.setdefault(digest.tobytes(), first | row)


class FeatureRows:
    """Rows of some images, to be read in batches; gathered into memory once where they are few."""

    def __init__(self, shards: Sequence[MappedShard], places: Tensor) -> None:
        self._shards = shards
        self._places = places
        self._columns = len(shards[0].tensors) - 1 if len(places) else 0
        self._touched = 0
        self._gathered: list[Tensor] | None = None
        if self.bytes <= _MEMORY_BUDGET:
            self._gathered = [self._gather(column, places) for column in range(self._columns)]

    def __len__(self) -> int:
        return len(self._places)

    @property
    def bytes_per_image(self) -> int:
        """Bytes that one image's features take."""
        if not len(self):
            return 0
        shard = self._shards[int(self._places[0, 0])]
        return sum(shard.tensors[f"column{column}"][0].nbytes for column in range(self._columns))

    @property
    def bytes(self) -> int:
        """Bytes that all these rows take."""
        return self.bytes_per_image * len(self)

    def batch(self, indices: Tensor) -> tuple[Tensor, ...]:
        """One tensor per crossing, of shape (len(indices), ...), in the stored number format."""
        if self._gathered is not None:
            return tuple(column[indices] for column in self._gathered)
        places = self._places[indices]
        self._make_room(len(indices))
        return tuple(self._gather(column, places) for column in range(self._columns))

    def _make_room(self, rows: int) -> None:
        """Let go of the maps' pages when many were read: the system keeps them as long as it has room itself."""
        self._touched += rows * max(self.bytes_per_image, mmap.PAGESIZE)
        if self._touched > _MEMORY_BUDGET:
            for shard in self._shards:
                shard.release()
            self._touched = 0

    def _gather(self, column: int, places: Tensor) -> Tensor:
        example = self._shards[int(places[0, 0])].tensors[f"column{column}"]
        gathered = torch.empty((len(places), *example.shape[1:]), dtype=example.dtype)
        for shard in sorted(set(places[:, 0].tolist())):
            here = (places[:, 0] == shard).nonzero().flatten()
            gathered[here] = self._shards[shard].tensors[f"column{column}"][places[here, 1]]
        return gathered
