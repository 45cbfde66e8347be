"""Multilabel: several labels for each image, or none."""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Literal

from pydantic import BeforeValidator

from convlens.core.errors import DataError
from convlens.core.kinds.base_evaluation import Evaluation, Score
from convlens.core.kinds.columns import (
    Columns,
    all_truths,
    are_marks,
    has_numbers,
    holds_lists,
    is_class_column,
    truth_in,
    word_lists,
)
from convlens.core.kinds.kind import MOST_SHOWN, SEPARATOR, Kind, Labels, ranked
from convlens.core.kinds.measure import Proportion
from convlens.core.kinds.questions import questions_of_spelling
from convlens.core.records import Record
from convlens.core.settings import setting
from convlens.core.spelling import same_looking
from convlens.core.task import present_task_name

_MOST_LABELS = 10


class LabelScore(Record):
    """How well one label is predicted, at a probability of a half; `support` is the number of images that have it."""

    name: str
    accuracy: float
    precision: float
    recall: float
    f1: float
    average_precision: float | None
    """The area under precision over recall, for all thresholds; None for a label that no image has."""
    support: int


class MultilabelEvaluation(Evaluation):
    """How a network did on one set of images, each of several labels or none."""

    task: Annotated[Literal["multilabel"], BeforeValidator(present_task_name)] = "multilabel"
    images: int
    accuracy: float
    """The part of all labels of all images that is predicted correctly."""
    exact_match: float
    """The part of the images of which every label is predicted correctly."""
    interval: tuple[float, float]
    """95% Wilson score interval of the exact match."""
    mean_average_precision: float | None
    """Over the labels that some image has."""
    loss: float
    per_label: list[LabelScore]

    @property
    def score(self) -> Score:
        """The images of which every label is right."""
        return Score("exact match", self.exact_match, f"{self.exact_match:.1%}")

    def sizes(self) -> dict[str, list[int]]:
        """Lengths that must be the number of labels, by field."""
        return {"per_label": [len(self.per_label)]}

    def lines(self, images: str) -> Iterator[str]:
        """What a person reads at the end of a command; `images` says of which images."""
        low, high = self.interval
        precision = self.mean_average_precision
        yield f"All labels correct {self.exact_match:.1%} of {images} (95% interval {low:.1%} to {high:.1%})"
        yield f"Single labels correct {self.accuracy:.1%}" + (
            f", mean average precision {precision:.3f}" if precision is not None else ""
        )
        for one in sorted(self.per_label, key=lambda one: one.f1)[:_MOST_LABELS]:
            yield f"  {one.name}: F1 {one.f1:.3f}, accuracy {one.accuracy:.1%}, {one.support} images"


class MultilabelKind(Kind):
    """Several labels for each image, or none."""

    name = "multilabel"
    noun = ("label", "labels")
    holds = "labels"
    loss = "binary cross-entropy"
    measure = Proportion(
        name="exact match",
        statement="all labels are correct on {} of the validation images",
        note="Exact match is the fraction of the validation images on which every label is correct.",
    )
    accuracy = "accuracy of single labels"
    may_be_empty = True

    def fits(self, columns: Columns) -> bool:
        """Columns of 0 and 1, of which a single one is not called label, class or category; or lists of words."""
        if len(columns) > 1:
            return all_truths(columns)
        ((name, cells),) = columns.items()
        return holds_lists(cells) or (has_numbers(cells) and all_truths(columns) and not is_class_column(name))

    def read(self, columns: Columns, *, asked: bool) -> tuple[list[Labels], Labels]:
        """A column of 0 and 1 for each label, or one with | or ; between the words of each cell."""
        name, cells = next(iter(columns.items()))
        if len(columns) > 1 or (all_truths(columns) and not is_class_column(name)):
            return _labels_of_truths(columns)
        found = word_lists(cells).words
        same = same_looking(word for words in found for word in words)
        labels = [tuple(sorted({same.get(word, word) for word in words})) for words in found]
        return labels, tuple(sorted({word for words in labels for word in words}))

    def questions(self, columns: Columns, labels: Sequence[Labels], *, asked: bool) -> Iterator[str]:
        """Of names that are spelled alike, of what stands between them, and of labels that are classes."""
        names = sorted({name for of_row in labels for name in of_row})
        if len(columns) > 1:
            if not asked and len(labels) > 1 and all(len(of_row) == 1 for of_row in labels):
                yield (
                    f"each image has exactly one of the labels {', '.join(columns)}; if it can have no more, set "
                    f"{setting('task', 'classification')}"
                )
            return
        ((column, cells),) = columns.items()
        separator = word_lists(cells).separator
        if separator in (",", " ") and not all_truths(columns):
            between = "commas" if separator == "," else "spaces"
            yield (
                f"the labels in the column {column!r} are taken to stand between {between}; if {between} are part of "
                "labels, write | between them"
            )
        yield from questions_of_spelling(columns, names)

    def names_columns(self, columns: Sequence[str], names: Sequence[str]) -> bool:
        """A column for each label, or one that lists them."""
        return {*columns} == {*names} or (len(columns) == 1 and columns[0] not in names)

    def labels_in(self, text: str) -> Labels:
        """Those between |."""
        return tuple(text.split(SEPARATOR)) if text else ()

    def shown_columns(self, names: Sequence[str]) -> list[str]:
        """The labels, and the likeliest ones."""
        return ["labels", "likeliest"]

    def shown_cells(self, predicted: str, answers: Mapping[str, float]) -> list[str]:
        """With probabilities."""
        return [predicted or "none", ", ".join(f"{name} {p:.1%}" for name, p in ranked(answers)[:MOST_SHOWN])]


def _labels_of_truths(columns: Columns) -> tuple[list[Labels], Labels]:
    names = [name.strip() for name in columns]
    if wrong := [name for name in names if SEPARATOR in name]:
        raise DataError(
            f"the column {wrong[0]!r} is the name of a label, which may not contain {SEPARATOR!r}. Rename it."
        )
    marked = are_marks(columns)
    truths = ([truth_in(name, cell, marked=marked) for cell in cells] for name, cells in columns.items())
    rows = zip(*truths, strict=True)
    return [tuple(sorted(itertools.compress(names, row))) for row in rows], tuple(sorted(names))
