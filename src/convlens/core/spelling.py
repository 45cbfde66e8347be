"""Spelling: words that look the same, or nearly, and the names that are one of them."""

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping

_BETWEEN_WORDS = re.compile(r"[\s_]+|(?<=[^\W\d])-(?=[^\W\d])")
_WHOLE = re.compile(r"(-?(?:0|[1-9]\d*))\.0+", re.ASCII)


def spelling_key(name: str) -> str:
    """What names have in common that differ in case, spaces, underscores, hyphens in words or Unicode form alone."""
    return unicodedata.normalize("NFC", _BETWEEN_WORDS.sub(" ", _looks(name)).casefold()).strip()


def spelled_alike(names: Iterable[str]) -> list[list[str]]:
    """Groups of names that have one spelling key, of two names or more."""
    groups: defaultdict[str, list[str]] = defaultdict(list)
    for name in names:
        groups[spelling_key(name)].append(name)
    return [group for group in groups.values() if len(group) > 1]


def same_looking(names: Iterable[str]) -> Mapping[str, str]:
    """For each name that differs from a more frequent one by what cannot be seen, that one; also "1.0" -> "1".

    What cannot be seen are Unicode forms, characters without width and kinds of spaces.
    """
    numbers = Counter(names)
    groups: defaultdict[str, list[str]] = defaultdict(list)
    for name in numbers:
        groups[_looks(name)].append(name)
    found: dict[str, str] = {}
    for group in groups.values():
        if len(group) > 1:
            kept = max(group, key=lambda name: (numbers[name], name == _looks(name), -len(name), name))
            found |= {name: kept for name in group if name != kept}
    return found


def told_apart(name: str, other: str) -> tuple[str, str]:
    """Two names in quotes; where nobody could see in what they differ, letters outside ASCII by their code points."""
    alike = unicodedata.normalize("NFC", name) == unicodedata.normalize("NFC", other)
    return (ascii(name), ascii(other)) if alike else (repr(name), repr(other))


def _looks(name: str) -> str:
    visible = "".join(letter for letter in name if unicodedata.category(letter) != "Cf")
    plain = " ".join(unicodedata.normalize("NFC", visible).split())
    whole = _WHOLE.fullmatch(plain)
    return whole[1] if whole else plain
