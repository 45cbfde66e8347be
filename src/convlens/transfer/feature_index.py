"""Of which images the store has features. Reads headers and hashes only."""

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from safetensors import SafetensorError, safe_open

from convlens.core.cache_layout import FEATURES


def num_stored(root: Path, key: str, images: Sequence[str]) -> int:
    """How many of these images, by the hashes of their bytes, the table of that key in the store at `root` has."""
    wanted, there = frozenset(images), set[str]()
    for path in (root / FEATURES / key).glob("*.safetensors"):
        # Damage is named where the features are used: opening the table verifies every shard.
        with contextlib.suppress(SafetensorError, OSError), safe_open(path, framework="numpy") as shard:
            there |= wanted.intersection(_hashes(shard.get_tensor("images").tobytes()))
    return len(there)


def _hashes(digests: bytes) -> Iterator[str]:
    return (digests[start : start + 32].hex() for start in range(0, len(digests), 32))
