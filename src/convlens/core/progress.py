"""How long work reports its progress without knowing who shows it."""

import contextlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Protocol

Say = Callable[[str], None]
"""Tells a person one thing: a warning, or what was found."""


def unsaid(text: str) -> None:
    """A Say that prints nothing."""


class Advance(Protocol):
    """Called with the number of steps that were done, and a word on how it goes, such as "loss 2.31"."""

    def __call__(self, steps: int, note: str = "") -> None:
        """Show it."""
        ...


class Progress(Protocol):
    """Called with a stage's name and its total number of steps; gives a function to call with steps done."""

    def __call__(self, stage: str, total: int) -> AbstractContextManager[Advance]:
        """Open a stage, to be used in a `with`."""
        ...


@contextlib.contextmanager
def silent(stage: str, total: int) -> Iterator[Advance]:
    """A Progress that shows nothing."""
    yield lambda steps, note="": None


def noted(advance: Advance, name: str) -> Progress:
    """A Progress for work within a step of another one: its notes are shown there, behind a name."""

    @contextlib.contextmanager
    def within(stage: str, total: int) -> Iterator[Advance]:
        done = 0

        def tell(steps: int, note: str = "") -> None:
            nonlocal done
            done += steps
            advance(0, f"{name}: {note or f'{done} of {total}'}")

        yield tell

    return within
