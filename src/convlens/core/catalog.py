"""The records of the zoo: its networks, a line each; and sets of weights on their way to another machine."""

from typing import Literal

from convlens.core.inspection import SeenPixels
from convlens.core.records import Record


class CatalogLine(Record):
    """One network: where it comes from, what it costs and sees, and how well it was published to do."""

    name: str
    year: int
    paper: str
    input_shape: tuple[int, ...]
    """Of one example: channels, then the spatial axes."""
    output: Literal["scores", "maps"]
    parameters: int
    multiply_adds: int
    """For one example of that shape."""
    receptive_field: SeenPixels
    """Of the last feature map before global pooling or the classifier."""
    data: str | None
    """The data set of the accuracies."""
    top1: float | None
    top5: float | None
    """In percent, as published."""
    accuracy_source: str | None
    accuracy_note: str | None
    """How they were measured, where that was not on one center crop of every image."""
    weights: tuple[str, ...]
    """What `weights` may be for it: "package", and published sets."""


class Catalog(Record):
    """What `convlens zoo --json` prints."""

    kind: Literal["convlens.zoo"] = "convlens.zoo"
    version: Literal[1] = 1
    networks: list[CatalogLine]


class PackedSet(Record):
    """One published set of weights, and where its file is now."""

    network: str
    name: str
    file: str
    bytes: int
    license: str


class PackedWeights(Record):
    """What `convlens zoo pack --json` and `convlens zoo unpack --json` print."""

    kind: Literal["convlens.packed_weights"] = "convlens.packed_weights"
    version: Literal[1] = 1
    sets: list[PackedSet]
