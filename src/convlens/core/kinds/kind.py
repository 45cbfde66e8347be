"""What the labels of a task are, and how a person reads them.

A task has two classes: a kind, here, and a `Task` (training.task) with its tensors: loss, answers, metrics. They are
two because reports, tables and splits work without torch, whose import takes longer than they do.

Labels are a tuple of texts everywhere: (class,); the labels in the order of the alphabet, or (); the numbers as they
stand in the table. They are one text, with | between them, in CSV and JSON alone.
"""

import abc
from collections.abc import Iterator, Mapping, Sequence
from typing import ClassVar

from convlens.core.kinds.columns import Columns
from convlens.core.kinds.measure import Measure
from convlens.core.task import TaskName

Labels = tuple[str, ...]
SEPARATOR = "|"
MOST_SHOWN = 5
"""Likeliest classes or labels on the screen, for each image."""


def text_of(labels: Sequence[str]) -> str:
    """Labels as CSV and JSON hold them."""
    return SEPARATOR.join(labels)


def ranked(probabilities: Mapping[str, float]) -> list[tuple[str, float]]:
    """Names with their probabilities, the likeliest first."""
    return sorted(probabilities.items(), key=lambda item: -item[1])


class Kind(abc.ABC):
    """The labels of one task."""

    name: ClassVar[TaskName]
    noun: ClassVar[tuple[str, str]]
    """What an output of the network stands for: one, and several."""
    holds: ClassVar[str]
    """What a table of such labels holds, for a sentence."""
    loss: ClassVar[str]
    loss_unit: ClassVar[str] = "nats"
    measure: ClassVar[Measure]
    """What recipes are compared by."""
    accuracy: ClassVar[str] = "accuracy"
    """What the accuracy of an epoch is, where it has one."""
    exclusive: ClassVar[bool] = False
    """Whether every image has exactly one of the names, so that one without images is of no use."""
    from_folders: ClassVar[bool] = False
    """Whether the folders of images can say the labels."""
    may_be_empty: ClassVar[bool] = False
    """Whether an image may have no label."""

    @abc.abstractmethod
    def fits(self, columns: Columns) -> bool:
        """Whether the columns of a table look like these labels. Raises DataError for cells unlike the others."""

    @abc.abstractmethod
    def read(self, columns: Columns, *, asked: bool) -> tuple[list[Labels], Labels]:
        """The labels of each row, and the names of the outputs; `asked` where a person said that they are such.

        Raises DataError, with the line, for a cell that is none, UsageError for columns that cannot be.
        """

    def questions(self, columns: Columns, labels: Sequence[Labels], *, asked: bool) -> Iterator[str]:
        """What may be meant otherwise of columns that were read so, each with how to say so; settings are marked."""
        yield from ()

    @abc.abstractmethod
    def names_columns(self, columns: Sequence[str], names: Sequence[str]) -> bool:
        """Whether a run on `names` can be evaluated on these columns of a table."""

    def columns_of_run(self, asked: Labels, names: Labels) -> tuple[Labels, Labels]:
        """The columns of a table that a run on `names` takes, and those that it takes if all of them are there."""
        return asked, names

    def strata(self, labels: Labels) -> Labels:
        """What an image is one more of, where images are counted or split."""
        return labels

    def labels_in(self, text: str) -> Labels:
        """The labels that a text of `text_of` holds."""
        return (text,)

    def counted(self, names: Sequence[str]) -> Labels:
        """The names of which images are counted."""
        return tuple(names)

    def summary(self, names: Sequence[str]) -> str:
        """What images are of, to follow "40 images"."""
        return f"of {len(names)} {self.noun[len(names) != 1]}"

    @abc.abstractmethod
    def shown_columns(self, names: Sequence[str]) -> list[str]:
        """The columns of a table of predictions on the screen."""

    @abc.abstractmethod
    def shown_cells(self, predicted: str, answers: Mapping[str, float]) -> list[str]:
        """Its cells for one image; `answers` are probabilities or numbers, by name."""
