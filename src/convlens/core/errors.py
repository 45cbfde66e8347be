"""The tree of errors, and the exit code that the command line gives for each.

ConvlensError
├── UsageError        2   the request itself is wrong: an unknown name, a value out of range
├── DataError         3   the images, labels or weights cannot be used
│   └── DivergedError 3   training came to values that are not finite numbers; `files` names the images
├── MachineError      4   this machine lacks something: disk, memory, an extra package
├── NetworkError      5   a server could not be reached or answered wrongly
└── IntegrityError    6   refused: a hash differs, or the content is unsafe to open

All of them are public names, such as `convlens.DataError`. Every message states what was wrong, the value received,
what is accepted, and the next step.
"""

import copy
import difflib
from collections.abc import Iterable
from typing import Self

from convlens.core.settings import as_keywords


class ConvlensError(Exception):
    """Base of all errors that convlens raises on purpose; its text is meant for a person."""

    exit_code = 1

    def __str__(self) -> str:
        """The message for a reader of Python: its settings are keyword arguments."""
        return as_keywords(self.marked)

    @property
    def marked(self) -> str:
        """The message with its settings marked (see core.settings), for others to show them in their way."""
        return super().__str__()

    def within(self, place: str) -> Self:
        """The same error, with all that it carries, whose text begins with where it came up."""
        error = copy.copy(self)
        error.args = (f"{place}: {self.marked}",)
        return error


class UsageError(ConvlensError):
    """The request is wrong: an unknown name, a missing folder, a value out of range."""

    exit_code = 2


class DataError(ConvlensError):
    """The images, labels or weights cannot be used as they are."""

    exit_code = 3


class DivergedError(DataError):
    """Training came to values that are not finite numbers."""

    def __init__(self, message: str, files: Iterable[str] = ()) -> None:
        super().__init__(message)
        self.files = tuple(files)
        """The images of the minibatch that it came to them on, where there is one."""


class MachineError(ConvlensError):
    """This machine lacks something that the request needs: disk, memory, an extra package."""

    exit_code = 4


class NetworkError(ConvlensError):
    """A server could not be reached, or answered something unusable."""

    exit_code = 5


class IntegrityError(ConvlensError):
    """Refused: a hash does not match, or a file is unsafe to open."""

    exit_code = 6


def unknown_name(kind: str, name: str, accepted: Iterable[str]) -> UsageError:
    """A UsageError for a name that is not among the accepted ones, with the nearest ones suggested."""
    accepted = list(accepted)
    near = difflib.get_close_matches(name.lower(), accepted, n=3, cutoff=0.6)
    hint = f"did you mean {' or '.join(near)}? " if near else ""
    listed = ", ".join(accepted[:20]) + (f" and {len(accepted) - 20} more" if len(accepted) > 20 else "")
    return UsageError(f"unknown {kind} {name!r}: {hint}Accepted: {listed}.")
