"""What the evaluations of all tasks have in common."""

import abc
from collections.abc import Iterator
from typing import NamedTuple

from convlens.core.records import Record, former_names


class Score(NamedTuple):
    """One number for a whole evaluation; more is better."""

    name: str
    value: float | None
    """None where it is not defined, such as R² of numbers that are all equal."""
    text: str


class Evaluation(Record):
    """How a network did on one set of images; the fields depend on the task."""

    _former = former_names(pictures="images", target="task")

    @property
    @abc.abstractmethod
    def score(self) -> Score:
        """The number by which runs on the same images are ranked."""

    def contradiction(self) -> str | None:
        """What is at odds inside of the record; None where nothing in it depends on anything else in it."""
        return None

    def detail_lines(self) -> Iterator[str]:
        """More than the record's `lines`, for a person who asked for an evaluation; nothing by default."""
        return iter(())
