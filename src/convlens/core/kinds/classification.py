"""Classification: one class for each image."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Literal

from pydantic import BeforeValidator

from convlens.core.errors import UsageError
from convlens.core.kinds.base_evaluation import Evaluation, Score
from convlens.core.kinds.columns import (
    Columns,
    all_truths,
    all_with_signs,
    are_marks,
    has_numbers,
    holds_lists,
    is_class_column,
    numbers_in,
    plain_name,
    refuse_decimal_commas,
    refuse_signs,
    truth_in,
)
from convlens.core.kinds.kind import MOST_SHOWN, Kind, Labels, ranked
from convlens.core.kinds.measure import Proportion
from convlens.core.kinds.questions import questions_of_spelling
from convlens.core.records import Record
from convlens.core.settings import setting
from convlens.core.spelling import same_looking
from convlens.core.task import present_task_name

_SHOWN = 5
_PLURALS = {"tags", "labels", "classes", "categories", "targets", "findinglabels"}


class ClassScore(Record):
    """Precision, recall and F1 of one class; `support` is its number of images."""

    name: str
    key: str = ""
    """As the data set numbers it, such as a synset of ImageNet; "" where that is the name."""
    precision: float
    recall: float
    f1: float
    support: int


class Roc(Record):
    """The receiver operating characteristic of a two-class run; the second class counts as positive."""

    positive: str
    false_positive_rate: list[float]
    true_positive_rate: list[float]
    area: float


class ClassificationEvaluation(Evaluation):
    """How a network did on one set of images, each of one class."""

    task: Annotated[Literal["classification"], BeforeValidator(present_task_name)] = "classification"
    images: int
    accuracy: float
    interval: tuple[float, float]
    """95% Wilson score interval of the accuracy."""
    top5_accuracy: float | None = None
    """None for fewer than six classes, where any five would be right, and in runs of convlens 0.1.0."""
    loss: float
    confusion: list[list[int]]
    """`confusion[i][j]`: images of class i predicted as class j; empty for a network of the zoo, which may have
    thousands of classes."""
    per_class: list[ClassScore]
    roc: Roc | None

    @property
    def score(self) -> Score:
        """The accuracy."""
        return Score("accuracy", self.accuracy, f"{self.accuracy:.1%}")

    def sizes(self) -> dict[str, list[int]]:
        """Lengths that must be the number of classes, by field."""
        return {"confusion": [len(self.confusion), *map(len, self.confusion)], "per_class": [len(self.per_class)]}

    def contradiction(self) -> str | None:
        """A curve of which the two axes have not the same length."""
        roc = self.roc
        if roc is None or len(roc.false_positive_rate) == len(roc.true_positive_rate):
            return None
        return (
            f"roc has {len(roc.false_positive_rate)} false positive rates and {len(roc.true_positive_rate)} true "
            "positive rates"
        )

    def lines(self, images: str) -> Iterator[str]:
        """What a person reads at the end of a command; `images` says of which images."""
        low, high = self.interval
        yield f"Accuracy {self.accuracy:.1%} on {images} (95% interval {low:.1%} to {high:.1%})"

    def detail_lines(self) -> Iterator[str]:
        """More of it: the first five, and classes by recall, the part of their images that was recognized."""
        if self.top5_accuracy is not None:
            yield f"Top-5 accuracy: {self.top5_accuracy:.2%}"
        by_recall = sorted((one for one in self.per_class if one.support), key=lambda one: one.recall)
        if len(by_recall) > 2 * _SHOWN:
            yield f"Hardest  {_named(by_recall[:_SHOWN])}"
            yield f"Easiest  {_named(by_recall[: -_SHOWN - 1 : -1])}"
        else:
            yield f"Classes  {_named(by_recall)}"


class ClassificationKind(Kind):
    """One class for each image."""

    name = "classification"
    noun = ("class", "classes")
    holds = "one class per image"
    loss = "categorical cross-entropy"
    measure = Proportion(name="accuracy", statement="{} of the validation images are classified correctly")
    exclusive = True
    from_folders = True

    def fits(self, columns: Columns) -> bool:
        """One column of words, or one that is called label, class or category and holds whole numbers."""
        if len(columns) > 1:
            return False
        ((name, cells),) = columns.items()
        if holds_lists(cells):
            return False
        if not has_numbers(cells):
            refuse_decimal_commas(name, cells, asked=False)
            if all_with_signs(cells) and not is_class_column(name):
                refuse_signs(name, cells, asked=False)
            return True
        numbers = numbers_in(name, cells, asked=False)
        return is_class_column(name) and all(number.is_integer() for number in numbers)

    def read(self, columns: Columns, *, asked: bool) -> tuple[list[Labels], Labels]:
        """Each cell is a class, with one name for those that look the same; or each row says yes in one column."""
        if len(columns) > 1 and all_truths(columns):
            return _classes_of_truths(columns)
        if len(columns) > 1:
            raise UsageError(
                f"one class per image needs one column, and there are {len(columns)}: {', '.join(columns)}. Choose one "
                f"with {setting('label_columns')}."
            )
        (cells,) = columns.values()
        same = same_looking(cell.text for cell in cells)
        classes = [same.get(cell.text, cell.text) for cell in cells]
        return [(name,) for name in classes], tuple(sorted(set(classes)))

    def questions(self, columns: Columns, labels: Sequence[Labels], *, asked: bool) -> Iterator[str]:
        """Of names that are spelled alike, of numbers with units, and of cells that seem to list labels."""
        names = sorted({name for of_row in labels for name in of_row})
        yield from questions_of_spelling(columns if len(columns) == 1 else {}, names)
        if len(columns) == 1:
            ((column, cells),) = columns.items()
            if not asked and all_with_signs(cells):
                yield (
                    f"{cells[0].text!r} and the others in the column {column!r} are taken as names of classes; for "
                    f"numbers, write them without units and set {setting('task', 'regression')}"
                )
            if not asked and (
                listed := _seem_listed(names, "," if any("," in name for name in names) else _word_gap(column))
            ):
                yield (
                    f"cells such as {listed!r} in the column {column!r} are taken as one class each; for several "
                    f"labels per image, set {setting('task', 'multilabel')}"
                )

    def names_columns(self, columns: Sequence[str], names: Sequence[str]) -> bool:
        """Any column may hold the classes."""
        return True

    def columns_of_run(self, asked: Labels, names: Labels) -> tuple[Labels, Labels]:
        """No column has the name of a class."""
        return asked, ()

    def shown_columns(self, names: Sequence[str]) -> list[str]:
        """The likeliest class, and others."""
        return ["class", "probability", "others"]

    def shown_cells(self, predicted: str, answers: Mapping[str, float]) -> list[str]:
        """With probabilities."""
        (_, highest), *others = ranked(answers)[:MOST_SHOWN]
        return [predicted, f"{highest:.1%}", ", ".join(f"{name} {p:.1%}" for name, p in others)]


def _classes_of_truths(columns: Columns) -> tuple[list[Labels], Labels]:
    """The column that says yes, of each row. Raises UsageError where a row has none or several."""
    marked = are_marks(columns)
    truths = {name: [truth_in(name, cell, marked=marked) for cell in cells] for name, cells in columns.items()}
    lines = [cell.line for cell in next(iter(columns.values()))]
    found = [
        tuple(name for name, yes in zip(truths, row, strict=True) if yes) for row in zip(*truths.values(), strict=True)
    ]
    for line, names in zip(lines, found, strict=True):
        if len(names) != 1:
            raise UsageError(
                f"one class per image needs one column, or several of which each row says yes in one: line {line} "
                f"does in {len(names)} of {', '.join(columns)}. Correct it, choose a column with "
                f"{setting('label_columns')}, or set {setting('task', 'multilabel')}."
            )
    return found, tuple(sorted(columns))


def _word_gap(column: str) -> str | None:
    """What may stand between labels that have no commas between them: spaces, where the column is of several."""
    return " " if plain_name(column) in _PLURALS else None


def _seem_listed(names: Sequence[str], gap: str | None) -> str:
    """A name whose parts between gaps are names or parts of others, too; "" where there is none."""
    parts = {name: {part.strip() for part in name.split(gap)} if gap else {name} for name in names}
    numbers = Counter(part for some in parts.values() for part in some)
    return next((name for name in names if len(parts[name]) > 1 and any(numbers[part] > 1 for part in parts[name])), "")


def _named(classes: Sequence[ClassScore]) -> str:
    return ", ".join(f"{one.name} {one.recall:.0%}" for one in classes)
