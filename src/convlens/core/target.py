"""What is learned of an image: its class, several labels, or numbers; and how that stands in one line of text.

The label of an image is a text everywhere: the class's name; its labels in the order of the alphabet, "cat|dog", or
"" for none; its numbers, "31.5|1.82".
"""

from collections.abc import Iterable
from typing import Literal, get_args

TargetKind = Literal["class", "labels", "numbers"]
TARGET_KINDS: tuple[TargetKind, ...] = get_args(TargetKind)
SEPARATOR = "|"
LOSSES: dict[TargetKind, str] = {
    "class": "categorical cross-entropy",
    "labels": "binary cross-entropy",
    "numbers": "L2",
}
"""The loss that fits what is learned."""


def joined(parts: Iterable[str]) -> str:
    """The text of several labels or numbers."""
    return SEPARATOR.join(parts)


def parts_of(label: str) -> list[str]:
    """The labels or numbers that a text holds."""
    return label.split(SEPARATOR) if label else []


def strata(kind: TargetKind, label: str) -> tuple[str, ...]:
    """What an image is one more of, where images are counted or divided: its class, its labels, or nothing."""
    if kind == "class":
        return (label,)
    return tuple(parts_of(label)) if kind == "labels" else ()
