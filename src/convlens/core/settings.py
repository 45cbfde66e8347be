"""Settings in messages: the library names a field, and whoever shows the message says how it is given.

The command line shows `--freeze layer9` where Python shows `freeze='layer9'`.
"""

import ast
import re
import shlex
from collections.abc import Callable
from typing import Self

# Of Unicode's private use area: marks that no message has otherwise.
_OPEN, _EQUALS, _CLOSE = "\ue000", "\ue001", "\ue002"
_MARKED = re.compile(f"{_OPEN}(\\w+)(?:{_EQUALS}([^{_CLOSE}]*))?{_CLOSE}")
_NO_VALUE = object()
_NO_LITERALS = ("nan", "inf", "-inf")


def setting(name: str, value: object = _NO_VALUE) -> str:
    """A setting in a message, alone or with a value: marked text, for `as_keywords` and `as_flags` to show."""
    if value is _NO_VALUE:
        return f"{_OPEN}{name}{_CLOSE}"
    plain = value if isinstance(value, str | int | float | bool) else str(value)
    return f"{_OPEN}{name}{_EQUALS}{plain!r}{_CLOSE}"


def as_keywords(text: str) -> str:
    """The text with its settings as Python's keyword arguments: freeze='layer9', augment=False, size."""
    return _shown(text, _keyword)


def as_flags(text: str) -> str:
    """The text with its settings as options of the command line: --freeze layer9, --no-augment, --size."""
    return _shown(text.marked if isinstance(text, Notice) else text, _flag)


class Notice(str):
    """A text that reads as Python does (see `as_keywords`), and keeps its marks for `as_flags`."""

    marked: str

    def __new__(cls, marked: str) -> Self:
        """The text of `marked`."""
        notice = super().__new__(cls, as_keywords(marked))
        notice.marked = marked
        return notice


def _shown(text: str, show: Callable[[str, str | None], str]) -> str:
    return _MARKED.sub(lambda found: show(found[1], found[2]), text)


def _keyword(name: str, value: str | None) -> str:
    return name if value is None else f"{name}={value}"


def _flag(name: str, value: str | None) -> str:
    option = name.replace("_", "-")
    if value is None:
        return f"--{option}"
    plain = _plain(value)
    if isinstance(plain, bool):
        return f"--{option}" if plain else f"--no-{option}"
    shown = f"{plain:g}" if isinstance(plain, float) else str(plain)
    return f"--{option} {shlex.quote(shown)}"


def _plain(value: str) -> object:
    # repr writes the floats that are no numbers as names, which literal_eval refuses.
    return float(value) if value in _NO_LITERALS else ast.literal_eval(value)
