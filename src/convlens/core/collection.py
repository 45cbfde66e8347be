"""The records of a collection of images: whose each image is, and what became of every address."""

from typing import Literal

from convlens.core.records import Record

ATTRIBUTION_FILE = "attribution.jsonl"
CREDITS_FILE = "CREDITS.html"


class Attribution(Record):
    """One line of attribution.jsonl: an image that is there, and what its license wants to be said of it."""

    file: str
    """Relative to the collection."""
    label: str
    title: str
    author: str
    licence: str
    licence_url: str
    page: str
    url: str
    """From where it came, before redirects."""
    provider: str
    id: str
    sha256: str
    """Of the file as it is here."""
    width: int
    height: int
    bytes: int
    resized: bool
    """Whether it was made smaller; otherwise the bytes are those that came."""
    fetched: str


class ClassCollected(Record):
    """What was done for one class. The outcomes add up to the addresses that the providers gave."""

    name: str
    query: str
    wanted: int
    present: int
    """Images that are there now."""
    addresses: int
    outcomes: dict[str, int]
    """Reason -> number of addresses: kept, seen-before, licence, gone, duplicate, near-duplicate, too-large, ..."""


class CollectionRecord(Record):
    """What `convlens collect --json` prints."""

    kind: Literal["convlens.collection"] = "convlens.collection"
    version: Literal[1] = 1
    folder: str
    created: str
    providers: list[str]
    licence: str
    classes: list[ClassCollected]
    warnings: list[str]
    seconds: float
