"""The feature store: what the frozen prefix makes of each image, kept by content.

A row belongs to one image, known by the hash of its bytes; a table belongs to one key: preprocessing, prefix
(weights and structure), view and number format. Change any of these and other features are meant.
"""

import hashlib
import json
from collections.abc import Iterable, Sequence
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor

from convlens.core.preprocessing import Preprocessing
from convlens.core.store import ShardStore
from convlens.data.decode import DECODER_VERSION

_MEMORY_BUDGET = 1 * 2**30
"""Bytes of features that are held in memory; larger sets are read from the store's memory maps."""


def feature_key(preprocessing: Preprocessing, prefix: str, number_format: torch.dtype, view: int | str = 0) -> str:
    """The name of the table for these features; `prefix` is the digest of the prefix, `view` 0 the plain image."""
    parts = [preprocessing.model_dump(), DECODER_VERSION, prefix, str(number_format), view]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


class FeatureTable:
    """Rows of features for images, in immutable shards. A row is one tensor per crossing of the cut."""

    def __init__(self, root: Path, key: str) -> None:
        self.shards = ShardStore(root / "features" / key)
        self._tensors: list[list[Tensor]] = []
        self._places: dict[str, tuple[int, int]] = {}
        for path in self.shards.verified():
            self._index(path)

    def __contains__(self, sha256: str) -> bool:
        return sha256 in self._places

    def add(self, images: Sequence[str], columns: Sequence[Tensor]) -> None:
        """Store rows for good: `columns[c]` has shape (len(images), ...). Raises MachineError on a full disk."""
        hashes = torch.frombuffer(bytearray.fromhex("".join(images)), dtype=torch.uint8).view(-1, 32)
        content = save({"images": hashes, **{f"column{c}": column.contiguous() for c, column in enumerate(columns)}})
        self._index(self.shards.write(content))

    def rows(self, images: Iterable[str]) -> "FeatureRows":
        """The rows of these images, in their order. Raises KeyError for an image that is not stored."""
        places = [self._places[sha256] for sha256 in images]
        return FeatureRows(self._tensors, torch.tensor(places, dtype=torch.int64).view(-1, 2))

    def _index(self, path: Path) -> None:
        with safe_open(path, framework="pt") as shard:
            hashes = shard.get_tensor("images")
            columns = len(list(shard.keys())) - 1
            self._tensors.append([shard.get_tensor(f"column{c}") for c in range(columns)])
        for row, digest in enumerate(hashes.numpy()):
            self._places.setdefault(digest.tobytes().hex(), (len(self._tensors) - 1, row))


class FeatureRows:
    """Rows of some images, to be read in batches; gathered into memory once where they are few."""

    def __init__(self, shards: Sequence[Sequence[Tensor]], places: Tensor) -> None:
        self._shards = shards
        self._places = places
        self._columns = len(shards[0]) if len(places) else 0
        self._gathered: list[Tensor] | None = None
        if self.bytes <= _MEMORY_BUDGET:
            self._gathered = [self._gather(column, places) for column in range(self._columns)]

    def __len__(self) -> int:
        return len(self._places)

    @property
    def bytes_per_image(self) -> int:
        """Bytes that one image's features take."""
        return sum(column[0].nbytes for column in self._shards[int(self._places[0, 0])]) if len(self) else 0

    @property
    def bytes(self) -> int:
        """Bytes that all these rows take."""
        return self.bytes_per_image * len(self)

    def batch(self, indices: Tensor) -> tuple[Tensor, ...]:
        """One tensor per crossing, of shape (len(indices), ...), in the stored number format."""
        if self._gathered is not None:
            return tuple(column[indices] for column in self._gathered)
        places = self._places[indices]
        return tuple(self._gather(column, places) for column in range(self._columns))

    def _gather(self, column: int, places: Tensor) -> Tensor:
        example = self._shards[int(places[0, 0])][column]
        gathered = torch.empty((len(places), *example.shape[1:]), dtype=example.dtype)
        for shard in set(places[:, 0].tolist()):
            here = (places[:, 0] == shard).nonzero().flatten()
            gathered[here] = self._shards[shard][column][places[here, 1]]
        return gathered
