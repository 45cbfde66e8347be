"""Side names: which side of a split a folder, or a cell of a table, is called after."""

import re
from typing import NamedTuple

from convlens.data.manifest import Side

SIDE_NAMES: dict[str, Side] = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "dev": "val",
    "eval": "val",
    "test": "test",
    "testing": "test",
}
"""What folders, and cells of a table, call the sides, in any case of letters."""

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[^\W\d_a-zA-Z]+|\d+")
_GENERIC = {
    *("data", "dataset", "set", "sets", "split", "splits", "folder", "dir", "images", "image", "img", "imgs"),
    *("pics", "pictures", "photos", "files", "final", "new", "sample", "samples", "small", "full", "public", "private"),
}
"""Words beside a side's name that do not make a class of it."""


class SideName(NamedTuple):
    """A name that holds the word for a side."""

    side: Side
    rest: tuple[str, ...]
    """Its other words, in small letters; none where it is the side's name itself."""

    @property
    def plain(self) -> bool:
        """Whether nothing stands beside the side's name but words that any folder of images may have, and numbers."""
        return all(word in _GENERIC or word.isdigit() for word in self.rest)


def side_name(text: str) -> SideName | None:
    """The side that a name means by one of its words, as "train_images", "val2017" and "PublicTest" do; else None.

    A name with words for two sides means none.
    """
    words = [part for word in _WORD.findall(text) for part in _parts(word.lower())]
    sides = {SIDE_NAMES[word] for word in words if word in SIDE_NAMES}
    if len(sides) != 1:
        return None
    return SideName(sides.pop(), tuple(word for word in words if word not in SIDE_NAMES))


def _parts(word: str) -> tuple[str, ...]:
    """ "trainset" is two words."""
    for name in SIDE_NAMES:
        if word.startswith(name) and (rest := word.removeprefix(name)) in _GENERIC:
            return name, rest
    return (word,)
