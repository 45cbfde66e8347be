"""How one evaluation (validation or test) is laid out on the page: what depends on the number of classes."""

import dataclasses
from collections.abc import Mapping, Sequence

from convlens.core.kinds.classification import ClassificationEvaluation, ClassScore
from convlens.core.run import ImageCounts
from convlens.report import charts
from convlens.report.confusion import ConfusedPair, classes_per_block, most_confused, pooled, row_shares
from convlens.report.formatting import counted

MAX_CLASSES_IN_FULL = 25
"""Above it the confusion matrix becomes a heat map, and the table of classes is folded."""
MAX_PAIRS = 20
MAX_LOWEST = 10
_MAX_HEAT_MAP_SQUARES = 100
"""Along each side."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class ClassRow:
    """A class's scores, its number in the run's order (from 1), and its images per side of the split."""

    number: int
    score: ClassScore
    images: ImageCounts | None


@dataclasses.dataclass(frozen=True, kw_only=True)
class MajorityBaseline:
    """The class that most training images have, and its share of the evaluated images: what it takes no network for."""

    name: str
    share: float


@dataclasses.dataclass(frozen=True, kw_only=True)
class EvaluationView:
    """One evaluation, ready for the template. `confusion_shares` is None where `heat_map` takes its place."""

    side: str
    evaluation: ClassificationEvaluation
    correct: int
    baseline: MajorityBaseline | None
    confusion_shares: list[list[float]] | None
    heat_map: str | None
    classes_per_square: int
    confused: list[ConfusedPair]
    rows: list[ClassRow]
    lowest: list[ClassRow]
    roc: str | None


def evaluation_view(
    evaluation: ClassificationEvaluation, side: str, classes: Sequence[str], images_per_class: Mapping[str, ImageCounts]
) -> EvaluationView:
    """The view of `evaluation`; `side` is 'validation' or 'test'."""
    confusion = evaluation.confusion
    in_full = len(classes) <= MAX_CLASSES_IN_FULL
    block = classes_per_block(len(classes), _MAX_HEAT_MAP_SQUARES)
    rows = [
        ClassRow(number=number, score=score, images=images_per_class.get(score.name))
        for number, score in enumerate(evaluation.per_class, start=1)
    ]
    return EvaluationView(
        side=side,
        evaluation=evaluation,
        correct=sum(row[i] for i, row in enumerate(confusion)),
        baseline=_baseline(rows, evaluation.images),
        confusion_shares=row_shares(confusion) if in_full else None,
        heat_map=None if in_full else _heat_map(confusion, block, side),
        classes_per_square=block,
        confused=most_confused(confusion, classes, MAX_PAIRS),
        rows=rows,
        lowest=[] if in_full else sorted(rows, key=lambda row: row.score.f1)[:MAX_LOWEST],
        roc=charts.roc_curve(evaluation.roc, f"{side}-roc") if evaluation.roc else None,
    )


def _baseline(rows: Sequence[ClassRow], images: int) -> MajorityBaseline | None:
    """None where the training images are not known."""
    if not images or any(row.images is None for row in rows):
        return None
    most = max(rows, key=lambda row: row.images.train if row.images else 0)
    return MajorityBaseline(name=most.score.name, share=most.score.support / images)


def _heat_map(confusion: list[list[int]], block: int, side: str) -> str:
    square = "one class" if block == 1 else f"{block} neighboring classes"
    description = (
        f"Confusion matrix of the {side} images over {counted(len(confusion), 'class', 'classes')}, a row "
        f"or column for {square}. The tables list the most confused pairs and the scores of all classes."
    )
    shares = row_shares(pooled(confusion, block))
    return charts.heat_map(shares, len(confusion), f"{side}-confusion", description)
