"""Which stored features there are of some pictures. Reads headers and hashes only, and needs no torch."""

import contextlib
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from safetensors import SafetensorError, safe_open

FEATURES_FOLDER = "features"
_FORMAT_BYTES = {"F32": 4, "F16": 2, "BF16": 2}
"""Of features; whole numbers are pixels, kept for networks of which all layers are trained."""
_MOST_BYTES = 2**30


class StoredTable(NamedTuple):
    """A table of the feature store: its key, how many of the images asked for it has, and the bytes of a row."""

    key: str
    num_images: int
    row_bytes: int


def fullest_table(root: Path, images: Sequence[str]) -> StoredTable | None:
    """The table with features of the most of these images, and of such the one with the smallest rows.

    `images` are hashes of the pictures' bytes. Rows that would take over a gigabyte to read are left alone. None where
    there is no table with two of the images.
    """
    tables = [_table(folder, frozenset(images)) for folder in sorted((root / FEATURES_FOLDER).glob("*"))]
    fitting = [one for one in tables if one.row_bytes and one.num_images * one.row_bytes <= _MOST_BYTES]
    found = max(fitting, key=lambda one: (one.num_images, -one.row_bytes), default=None)
    return found if found is not None and found.num_images > 1 else None


def stored_table(root: Path, key: str, images: Sequence[str]) -> StoredTable:
    """What the table of that key has of these images; none of them where there is no such table."""
    return _table(root / FEATURES_FOLDER / key, frozenset(images))


def _table(folder: Path, wanted: frozenset[str]) -> StoredTable:
    there: set[str] = set()
    row_bytes = 0
    for path in folder.glob("*.safetensors"):
        # Damage is named where the features are used: opening the table verifies every shard.
        with contextlib.suppress(SafetensorError, OSError), safe_open(path, framework="numpy") as shard:
            digests = shard.get_tensor("images").tobytes()
            there |= wanted.intersection(_hashes(digests))
            columns = [name for name in shard.keys() if name != "images"]  # noqa: SIM118  (it is no dict)
            row_bytes = sum(_column_bytes(shard.get_slice(name)) for name in columns)
    return StoredTable(folder.name, len(there), row_bytes)


def _hashes(digests: bytes) -> Iterator[str]:
    return (digests[start : start + 32].hex() for start in range(0, len(digests), 32))


def _column_bytes(column: object) -> int:
    """Of one row; 0 for pixels."""
    size: int = math.prod(column.get_shape()[1:]) * _FORMAT_BYTES.get(column.get_dtype(), 0)  # type: ignore[attr-defined]
    return size
