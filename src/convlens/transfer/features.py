"""The feature store: what the frozen prefix makes of each image, kept by content.

A row belongs to one image, known by the hash of its bytes; a table belongs to one key: preprocessing, prefix
(weights and structure), view and number format. Change any of these and other features are meant.
"""

import contextlib
import hashlib
import json
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save
from torch import Tensor

from convlens.core.cache import FeatureNote
from convlens.core.cache_layout import FEATURE_NOTE, FEATURES
from convlens.core.errors import MachineError
from convlens.core.files import write_atomically
from convlens.core.preprocessing import Preprocessing
from convlens.core.store import ShardStore
from convlens.data.decode import DECODER_VERSION
from convlens.transfer.shard_file import ShardFile

_MEMORY_BUDGET = 256 * 2**20
"""Bytes of features that are held in memory; of larger sets each batch is read from the store's files."""
_ROW_BITS = 32


def feature_key(preprocessing: Preprocessing, prefix: str, number_format: torch.dtype, view: int | str = 0) -> str:
    """The name of the table for these features; `prefix` is the digest of the prefix, `view` 0 the plain image."""
    parts = [preprocessing.identity(), DECODER_VERSION, prefix, str(number_format), view]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


class FeatureTable:
    """Rows of features for images, in immutable shards. A row is one tensor per crossing of the cut.

    A `note` on what they are of lies beside them, for people alone.
    """

    def __init__(self, root: Path, key: str, note: FeatureNote | None = None) -> None:
        self.shards = ShardStore(root / FEATURES / key)
        self._files: list[ShardFile] = []
        self._places: dict[bytes, int] = {}
        """Hash of an image -> number of its shard and its row in there, as one number: there may be millions."""
        self._note = note
        for path in self.shards.verified():
            self._index(path)
        if self._files:
            with contextlib.suppress(MachineError):  # the store may only be read
                self._write_note()

    def __contains__(self, sha256: str) -> bool:
        return bytes.fromhex(sha256) in self._places

    def add(self, images: Sequence[str], columns: Sequence[Tensor]) -> None:
        """Store rows for good: `columns[c]` has shape (len(images), ...). Raises MachineError on a full disk."""
        hashes = torch.frombuffer(bytearray.fromhex("".join(images)), dtype=torch.uint8).view(-1, 32)
        content = save({"images": hashes, **{f"column{c}": column.contiguous() for c, column in enumerate(columns)}})
        self._index(self.shards.write(content))
        self._write_note()

    def rows(self, images: Iterable[str]) -> "FeatureRows":
        """The rows of these images, in their order. Raises KeyError for an image that is not stored."""
        places = torch.tensor([self._places[bytes.fromhex(sha256)] for sha256 in images], dtype=torch.int64)
        return FeatureRows(self._files, torch.stack([places >> _ROW_BITS, places & (2**_ROW_BITS - 1)], 1), self.shards)

    def _write_note(self) -> None:
        path = self.shards.folder / FEATURE_NOTE
        if self._note is not None and not path.exists():
            write_atomically(path, self._note.to_json())

    def _index(self, path: Path) -> None:
        shard = ShardFile(path)
        first = len(self._files) << _ROW_BITS
        self._files.append(shard)
        for row, digest in enumerate(shard.whole("images").numpy()):
            self._places.setdefault(digest.tobytes(), first | row)


class FeatureRows:
    """Rows of some images, to be read in batches; gathered into memory once where they are few."""

    def __init__(self, shards: Sequence[ShardFile], places: Tensor, store: ShardStore) -> None:
        self._shards = shards
        self._store = store  # which keeps the files from being removed, as long as it lives
        self._places = places
        self._columns = len(shards[0].names) - 1 if len(places) else 0
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
        return sum(shard.row_bytes(f"column{column}") for column in range(self._columns))

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
        """One column's rows, in the order of `places`, read shard by shard."""
        name = f"column{column}"
        shards, numbers = places.numpy().T
        rows = self._shards[int(shards[0])].empty(name, len(places))
        order = shards.argsort(kind="stable")
        for part in np.split(order, np.flatnonzero(np.diff(shards[order])) + 1):
            self._shards[int(shards[part[0]])].read(name, numbers[part].tolist(), rows, part.tolist())
        return rows
