"""The records of embeddings: a file of vectors, and the images most like another one."""

from typing import Literal

from convlens.core.records import Record
from convlens.core.run import Problem


class EmbeddingRecord(Record):
    """What `convlens embed --json` prints."""

    kind: Literal["convlens.embedding"] = "convlens.embedding"
    version: Literal[1] = 1
    files: list[str]
    """What was written."""
    network: str
    """The run folder, or the name of the network."""
    layer: str
    """Whose output the vectors are, mean over its places; "backbone" for what the last layer reads."""
    images: int
    dimensions: int
    columns: list[str]
    """Beside the vectors: "file", and "label" where images have one."""
    computed: int
    """Images for which the network ran; the others' features were stored."""
    bad_files: list[Problem]
    seconds: float


class LikeImage(Record):
    """An image of the folder, and how like the other one it is."""

    file: str
    """Relative to the folder."""
    similarity: float
    """The cosine of their vectors: 1 for the same."""
    same_bytes: bool


class SimilarRecord(Record):
    """What `convlens similar --json` prints."""

    kind: Literal["convlens.similar"] = "convlens.similar"
    version: Literal[1] = 1
    image: str
    folder: str
    network: str
    layer: str
    searched: int
    """Images that could be read."""
    similar: list[LikeImage]
    """The most similar first."""
    bad_files: list[Problem]
    seconds: float


class MapGroup(Record):
    """Images of a map that belong together."""

    name: str
    """The class, or "group 1" and so on where images have none."""
    images: int
    central: list[str]
    """Some of its files: of a class the first ones, of a group those nearest to its center."""


class MapRecord(Record):
    """What `convlens map --json` prints."""

    kind: Literal["convlens.map"] = "convlens.map"
    version: Literal[1] = 1
    page: str
    folder: str
    network: str
    layer: str
    images: int
    """That could be read."""
    shown: int
    """Of many a part, evenly over the folder."""
    method: Literal["tsne", "pca"]
    trustworthiness: float
    """How far images that are near on the page are alike: 1 where all of the 10 nearest are near in truth."""
    by_class: bool
    """Whether the groups are classes of the folder; else they were found."""
    groups: list[MapGroup]
    bad_files: list[Problem]
    seconds: float
