"""The records of the cache folder: what is stored there, and what was removed from it."""

from typing import Literal

from convlens.core.records import Record

KindName = Literal["features", "facts", "graphs", "weights", "archives", "trials", "damaged", "leftovers"]
"""What convlens stores and may remove again.

features: what the frozen layers made of each image. facts: what decoding found out about each image, with thumbnails.
graphs: captured networks. weights: published sets, downloaded and converted. archives: images of zip and tar files,
unpacked. trials: which number format was faster. damaged: shards whose bytes had changed, set aside. leftovers: what
interrupted work left half-written or half-downloaded more than a day ago.
"""


class FeatureNote(Record):
    """about.json in a table of features: what its rows were first computed with."""

    kind: Literal["convlens.features"] = "convlens.features"
    version: Literal[1] = 1
    backbone: str
    weights: str
    """Name of their file, or where they came from."""
    freeze: str
    """The freeze plan."""
    size: int
    """Side of the images in pixels."""
    augmented_copy: int = 0
    """Number of the augmented copy of the images; 0 for the images themselves."""


class CachedKind(Record):
    """All of one kind."""

    kind: KindName
    entries: int
    """What is removed as a whole: a table of features, a graph, a set of weights, an archive."""
    files: int
    bytes: int
    oldest: str
    """Last use of what was not used for the longest time; of leftovers and damaged shards when they were written."""
    newest: str


class CachedFeatures(Record):
    """A table of features."""

    key: str
    note: FeatureNote | None
    """None for one of pixels, which serve all networks, and one that an earlier version wrote."""
    images: int
    shape: list[list[int]]
    """Of one image's features: of each tensor that crosses the cut."""
    number_format: str
    """fp32, bf16; pixels for images themselves, which networks without a frozen part read; "" where none is known."""
    files: int
    bytes: int
    last_use: str


class NotOurs(Record):
    """A file or folder in the cache folder that is never removed, and why not."""

    path: str
    """Within the cache folder."""
    reason: str
    bytes: int


class CacheRecord(Record):
    """What `convlens cache --json` prints."""

    kind: Literal["convlens.cache"] = "convlens.cache"
    version: Literal[1] = 1
    folder: str
    bytes: int
    """Of all kinds; what is not of convlens does not count."""
    free_bytes: int | None
    """On its disk; None where there is no such folder."""
    kinds: list[CachedKind]
    features: list[CachedFeatures]
    """Those used last come last."""
    others: list[NotOurs]


class PrunedEntry(Record):
    """Something that was removed, would be, or was kept."""

    kind: KindName
    name: str
    """Its path within the cache folder."""
    bytes: int
    last_use: str
    reason: str = ""
    """Why it was kept."""


class PruneRecord(Record):
    """What `convlens cache --prune --json` prints."""

    kind: Literal["convlens.cache-pruned"] = "convlens.cache-pruned"
    version: Literal[1] = 1
    folder: str
    dry_run: bool
    """Nothing was removed: `removed` is what would be."""
    removed: list[PrunedEntry]
    kept: list[PrunedEntry]
    """What was to be removed, and could not be."""
    removed_bytes: int
    left_bytes: int
    wanted_bytes: int | None
    """What `down_to` asked to be left at most."""
