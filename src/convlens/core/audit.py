"""The record of an audit: what a folder's labels are worth."""

from typing import Literal

from convlens.core.leaks import Leaks, Shortcuts
from convlens.core.records import Record
from convlens.core.run import Problem

AUDIT_FILE = "audit.json"
AUDIT_PAGE = "audit.html"


class Neighbor(Record):
    """An image that the network sees much like another one."""

    file: str
    similarity: float
    """Cosine between what the last layer reads of both: 1 for the same."""


class Suspect(Record):
    """An image whose label is likely wrong. Probabilities are from a network that was not trained on it."""

    file: str
    copies: list[str]
    """Other files with the same bytes."""
    given: str
    given_probability: float
    suggested: str
    """The most probable class."""
    suggested_probability: float
    agreeing: list[Neighbor]
    """The images most like it that are labeled as it is, most similar first; none after the first thousand suspects."""
    disagreeing: list[Neighbor]
    """Those that are labeled as is suggested."""


class Contradiction(Record):
    """The same bytes in several files under different labels: one of these is wrong for certain."""

    files: list[str]
    labels: list[str]
    """The label of each file."""
    suggested: str | None
    """The most probable of these labels, by a network that was not trained on it; None where one of the files is of the
    sealed side."""
    suggested_probability: float | None
    nearest: dict[str, list[Neighbor]]
    """For each of these labels the images most like it that are labeled so."""


class ClassNoise(Record):
    """How many of the labels of a class are wrong, as estimated."""

    name: str
    images: int
    """Those labeled so that were judged."""
    wrong: float
    """The estimated part of them that are of other classes."""
    confused_with: str | None
    """The class that most of those are of; None where none are."""
    missing: float
    """The estimated part of the images of this class that are labeled otherwise."""


class Blind(Record):
    """An image of the sealed side with two classes, one of which is its label; which one is not said."""

    file: str
    copies: list[str]
    classes: tuple[str, str]
    """In random order."""
    first: list[Neighbor]
    """The images most like it of the first class, outside the sealed side."""
    second: list[Neighbor]


class Rate(Record):
    """Labels of images that were reviewed blind, and how many of them the review changed."""

    images: int
    changed: int
    """Given another class, or left out."""
    interval: tuple[float, float]
    """95% Wilson score interval of the part that was changed."""


class BlindReview(Record):
    """What a review of the sealed side came to. Where as many controls are changed as suspects, it is the reviewer who
    changes labels, and suspicion tells nothing."""

    suspects: Rate
    controls: Rate
    difference: float
    """The part of suspects that was changed, less that of controls."""
    interval: tuple[float, float]
    """95%, Newcombe's."""


class Sealed(Record):
    """The side of a split that is evaluated on. Its labels are judged by networks that were trained on none of it, and
    reviewed blind: suspects among as many images that are not suspect."""

    side: Literal["val", "test"]
    images: int
    suspects: int
    reviewed: int
    """Suspects that are reviewed; of many a sample."""
    controls: int
    """Other images that are."""
    blind: list[Blind]
    """All that are reviewed, in random order."""


class Gain(Record):
    """What a corrected table of labels is worth: the head of the audit, fitted on given and on corrected labels."""

    table: str
    changed: int
    """Labels to learn from that were changed."""
    dropped: int
    """Images to learn from that the table leaves out."""
    evaluated_on: Literal["val", "test", "held-out"]
    """The sealed side; or, where there is none, each image by a network that was not trained on it."""
    images: int
    """That were evaluated, by their given labels, which were not changed."""
    before: float
    """Accuracy with the given labels."""
    after: float
    difference: float
    interval: tuple[float, float]
    """95%, paired by image."""
    p_value: float
    blind: BlindReview | None
    """Of the sealed side, by the labels that the table changes there; None where nothing was to be reviewed."""


class LabelAudit(Record):
    """Which labels are likely wrong."""

    images: int
    """That were judged, each by a network that was not trained on it."""
    folds: int
    agreement: float
    """The part of their labels that these networks predict."""
    noise: float
    """The estimated part of labels that are wrong. Classes that the network cannot tell apart raise it, few images make
    it rough."""
    suspects: list[Suspect]
    """Labels that are likely wrong, outside the sealed side; the most suspect first."""
    doubts: list[Suspect]
    """Other labels, outside the sealed side, that these networks do not predict; the most doubtful first."""
    contradictions: list[Contradiction]
    classes: list[ClassNoise]
    """By the estimated number of wrong labels."""
    not_judged: list[str]
    """Classes with too few different images to hold some out."""
    sealed: Sealed | None
    """None where there is no side for evaluation."""
    gain: Gain | None
    """None where no corrected table was given."""


class Written(Record):
    """A table in which suggestions were taken."""

    table: str
    confidence: float
    """The least probability of a suggestion that was taken."""
    taken: int
    suspects: int


class AuditRecord(Record):
    """What `convlens audit --json` prints."""

    kind: Literal["convlens.audit"] = "convlens.audit"
    version: Literal[1] = 1
    folder: str
    created: str
    network: str
    """By whose features labels are judged."""
    weights: str
    files: int
    classes: list[str]
    """Of which labels were judged."""
    ambiguous_classes: bool
    """Whether a table of these classes is read as classes only where that is asked for: they look like numbers, like
    several labels, or like nothing."""
    labels: LabelAudit
    leaks: Leaks | None = None
    """None where the folder has no sides."""
    shortcuts: Shortcuts
    written: Written | None
    page: str | None
    bad_files: list[Problem]
    seconds: float
