"""The record of a check: what is in a folder of images, and what is wrong with it."""

from typing import Literal

from convlens.core.records import Record
from convlens.core.run import Problem


class ClassCount(Record):
    """The usable images of one class, per side of the split, and its files that cannot be used."""

    name: str
    train: int
    val: int
    test: int
    unsplit: int
    """Images that `convlens train` will split."""
    not_used: int

    @property
    def images(self) -> int:
        """Usable ones, of all sides."""
        return self.train + self.val + self.test + self.unsplit


class CheckRecord(Record):
    """What `convlens check --json` prints."""

    kind: Literal["convlens.check"] = "convlens.check"
    version: Literal[2] = 2
    folder: str
    created: str
    files: int
    """All that were looked at, usable or not; without documents and what lies in folders that are left out."""
    usable: int
    classes: list[ClassCount]
    """Or labels, of which an image may have several; none where images have numbers."""
    imbalance: float | None
    """Images of the largest class over those of the smallest; None where a class has none."""
    formats: dict[str, int]
    shorter_side: tuple[int, int, int] | None
    """The least, the median and the greatest, in pixels."""
    reasons: dict[str, int]
    """How many files there are for each reason, the most frequent first."""
    problems: list[Problem]
    likes: dict[str, str]
    """For each image that looks like another one, but the first of each such group: one that it looks like."""
    bad_share: float
    """Files that cannot be used, as a part of all."""
    most_bad: float
    seconds: float
    images_per_second: float

    @property
    def too_bad(self) -> bool:
        """Whether more files cannot be used than is allowed."""
        return self.bad_share > self.most_bad


def balance_told(record: CheckRecord) -> str:
    """How evenly the images are spread over the classes, as a sentence without its full stop; "" without classes."""
    if not record.classes:
        return ""
    if record.imbalance is None:
        return "A class has no usable image"
    if record.imbalance == 1:
        return "All classes have the same number of images"
    times = f"{record.imbalance:.2f}" if record.imbalance < 10 else f"{record.imbalance:.0f}"
    return f"The largest class has {times} times as many images as the smallest"


ADVICE = {
    "unreadable": "replace or remove",
    "truncated": "replace or remove",
    "not-an-image": "remove",
    "not-a-file": "remove",
    "empty": "replace or remove",
    "too-large": "shrink it",
    "tiny": "replace or remove",
    "duplicate": "remove",
    "two-labels": "keep it under the right label only",
    "two-sides": "remove from training",
    "no-class": "move into a class folder",
    "unknown-class": "add training images of the class",
    "empty-class": "add images or remove the folder",
    "near-duplicate": "look at both; keep the better one",
    "alike-two-labels": "look at both; keep it under the right label only",
    "alike-two-sides": "look at both; remove from training",
    "misnamed": "rename",
    "dark": "look",
    "blank": "look",
    "blurred": "look",
    "small": "look",
}
"""Reason -> what a person may do about it. Other reasons need nothing to be done."""
