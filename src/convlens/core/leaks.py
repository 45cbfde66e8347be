"""The records of leaks and shortcuts: why an evaluation may say more than is true."""

from typing import Literal

from convlens.core.records import Record

LeakKind = Literal["same-bytes", "alike", "mirrored", "cropped", "group", "minute"]
"""The same file; the same image in another size, format or quality; its mirror image; one a part of the other; the same
group of the table; the same camera within the same minute."""

TOLD: dict[LeakKind, str] = {
    "same-bytes": "the same file",
    "alike": "the same image",
    "mirrored": "mirrored",
    "cropped": "one a part of the other",
    "group": "of one group",
    "minute": "by one camera in one minute",
}


class Leak(Record):
    """An image of the evaluated side with one of those to train on that tells about it."""

    file: str
    kind: LeakKind
    like: str
    """The one to train on."""


class Accuracy(Record):
    """Of a part of the evaluated images."""

    images: int
    accuracy: float
    interval: tuple[float, float]
    """95%, Wilson's."""


class Leaks(Record):
    """What the training side of a split tells about the evaluated one."""

    side: Literal["val", "test"]
    """The one that was looked at."""
    images: int
    trained_on: int
    leaks: list[Leak]
    """Images that leak, each with the first kind that holds, in the order of `LeakKind`."""
    with_leaks: Accuracy | None
    """Of all images of the side, by a classifier on the features that was trained on all of the training side; None
    without a leak."""
    without_leaks: Accuracy | None
    """Of those of the side that do not leak, by the same; None where none is left."""

    @property
    def counts(self) -> dict[LeakKind, int]:
        """Of each kind that there is."""
        found: dict[LeakKind, int] = {}
        for one in self.leaks:
            found[one.kind] = found.get(one.kind, 0) + 1
        return found


class Shortcut(Record):
    """A fact about files that tells their classes: a network may learn it instead of what the images show."""

    fact: str
    """Such as "brightness"."""
    content: bool
    """Whether what the images show explains it as well as how they were taken or saved."""
    accuracy: float
    """Balanced over the classes, of a classifier of this fact alone, on images that it was not trained on."""
    interval: tuple[float, float]
    """95%."""
    p_value: float
    """That it is chance, corrected for the number of facts (Holm)."""
    name: str
    """The class that it tells best."""
    here: str
    """The median of that class, in words; of names the most frequent one."""
    elsewhere: str
    """That of all others."""


class Shortcuts(Record):
    """Facts that were looked at."""

    chance: float
    """Balanced accuracy of knowing nothing: one in the number of classes."""
    looked_at: list[str]
    found: list[Shortcut]
    """Those that beat chance, the best first."""
