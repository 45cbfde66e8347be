"""What decoding found out about each image, stored by content, so that nothing has to be decoded to say it again."""

import json
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
from safetensors import safe_open
from safetensors.numpy import save

from convlens.core.cache_layout import FACTS
from convlens.core.records import Record
from convlens.core.store import ShardStore
from convlens.data.decode import DECODER_VERSION
from convlens.data.perceptual_hash import SIGNATURE_BYTES

_FACTS_VERSION = 3
"""Raised when facts hold more than before, or say other of the same bytes; earlier ones are found out again."""


_FORMER_TRUNCATED = re.compile(r"the JPEG file ends early, after \d+ bytes")
_FORMER_REFUSALS = (
    "which is none of JPEG, PNG, WEBP, GIF, BMP, TIFF",
    "MAX_TEXT_CHUNK",
    "MAX_TEXT_MEMORY",
)
"""Ends of details that convlens 0.1.0 wrote of files that it could not read and that are read now, or named better."""


class ImageMetadata(Record):
    """About one image: why it cannot be used, or what is remarkable.

    `thumbnail` is a JPEG and `signature` that of data.signature; both are empty for a file that cannot be used.
    """

    usable: bool
    reason: str = ""
    detail: str = ""
    thumbnail: bytes = b""
    signature: bytes = b""


def is_outdated(facts: ImageMetadata) -> bool:
    """Whether a file was refused that may be read by now: a format that was not read, a JPEG without an end marker."""
    if facts.usable:
        return False
    unended = _FORMER_TRUNCATED.fullmatch(facts.detail) is not None
    return unended or facts.detail.endswith(_FORMER_REFUSALS)


class ImageMetadataStore:
    """ImageMetadata by the SHA-256 of the image's bytes. Thumbnails stay on disk until they are asked for."""

    def __init__(self, root: Path) -> None:
        self.shards = ShardStore(root / FACTS / f"decoder-{DECODER_VERSION}-facts-{_FACTS_VERSION}")
        self._places: dict[str, tuple[Path, int]] = {}
        self._facts: dict[str, ImageMetadata] = {}
        for path in self.shards.verified():
            self._index(path)

    def __contains__(self, sha256: str) -> bool:
        return sha256 in self._facts

    def __getitem__(self, sha256: str) -> ImageMetadata:
        return self._facts[sha256]

    def add(self, facts: Mapping[str, ImageMetadata]) -> None:
        """Store facts for good."""
        if facts:
            self._index(self.shards.write(_shard(facts)))

    def thumbnail(self, sha256: str) -> bytes:
        """The JPEG of a usable image."""
        path, row = self._places[sha256]
        with safe_open(path, framework="numpy") as shard:
            start, end = shard.get_tensor("offsets")[row : row + 2]
            pixels: bytes = shard.get_slice("thumbnails")[int(start) : int(end)].tobytes()
        return pixels

    def signatures(self, images: Sequence[str]) -> list[bytes]:
        """The signatures of images, in their order; empty where there is none."""
        wanted = set(images)
        found: dict[str, bytes] = {}
        for path in {self._places[sha256][0] for sha256 in wanted}:
            with safe_open(path, framework="numpy") as shard:
                rows = json.loads(shard.get_tensor("facts").tobytes())
                values = shard.get_tensor("signatures")
            found |= {
                row[0]: one.tobytes() for row, one in zip(rows, values, strict=True) if row[0] in wanted and row[1]
            }
        return [found.get(sha256, b"") for sha256 in images]

    def _index(self, path: Path) -> None:
        with safe_open(path, framework="numpy") as shard:
            rows = json.loads(shard.get_tensor("facts").tobytes())
        for row, (sha256, *fact) in enumerate(rows):
            self._places[sha256] = (path, row)
            self._facts[sha256] = _facts(*fact)


@lru_cache(maxsize=1024)
def _facts(usable: bool, reason: str, detail: str) -> ImageMetadata:
    """One object for all images of which the same is to be said: of a million, most are simply usable."""
    return ImageMetadata(usable=usable, reason=reason, detail=detail)


def _shard(facts: Mapping[str, ImageMetadata]) -> bytes:
    rows = [[sha256, one.usable, one.reason, one.detail] for sha256, one in facts.items()]
    lengths = [len(one.thumbnail) for one in facts.values()]
    tensors = {
        "facts": np.frombuffer(json.dumps(rows).encode(), np.uint8),
        "thumbnails": np.frombuffer(b"".join(one.thumbnail for one in facts.values()), np.uint8),
        "signatures": np.frombuffer(
            b"".join(one.signature or bytes(SIGNATURE_BYTES) for one in facts.values()), np.uint8
        ).reshape(-1, SIGNATURE_BYTES),
        "offsets": np.cumsum([0, *lengths], dtype=np.int64),
    }
    content: bytes = save(tensors)
    return content
