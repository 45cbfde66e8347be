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
