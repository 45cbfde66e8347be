"""How an evaluation is laid out on the page of a run, for each task; `templates/TASK.html.jinja` draws it."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from convlens.core.kinds.classification import ClassificationEvaluation
from convlens.core.kinds.evaluation import AnyEvaluation
from convlens.core.kinds.multilabel import MultilabelEvaluation
from convlens.core.kinds.regression import RegressionEvaluation
from convlens.core.run import ImageCounts, RunRecord
from convlens.report import charts
from convlens.report.evaluation_view import EvaluationView, evaluation_view
from convlens.report.run_folder import read_numbers


@dataclasses.dataclass(frozen=True, kw_only=True)
class MultilabelView:
    """An evaluation of several labels, ready for the template."""

    side: str
    evaluation: MultilabelEvaluation
    images: Mapping[str, ImageCounts]
    baseline: float
    """The part of the single labels that is correct where each is given to all images or to none, as most have it."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class RegressionView:
    """An evaluation of numbers, ready for the template."""

    side: str
    evaluation: RegressionEvaluation
    scatters: Sequence[str]
    """Charts of the numbers, in their order; none where the predictions are not there any more."""


View = EvaluationView | MultilabelView | RegressionView


def task_view(run_folder: Path, record: RunRecord, side: str, evaluation: AnyEvaluation) -> View:
    """The view of an evaluation; `side` is 'validation' or 'test'."""
    return _VIEWS[type(evaluation)](run_folder, record, side, evaluation)


def _classification(_: Path, record: RunRecord, side: str, evaluation: ClassificationEvaluation) -> View:
    return evaluation_view(evaluation, side, record.classes, record.images_per_class)


def _multilabel(_: Path, record: RunRecord, side: str, evaluation: MultilabelEvaluation) -> View:
    shares = [one.support / max(1, evaluation.images) for one in evaluation.per_label]
    baseline = sum(max(share, 1 - share) for share in shares) / max(1, len(shares))
    return MultilabelView(side=side, evaluation=evaluation, images=record.images_per_class, baseline=baseline)


def _regression(run_folder: Path, record: RunRecord, side: str, evaluation: RegressionEvaluation) -> View:
    numbers = read_numbers(run_folder, record.classes, "val" if side == "validation" else side)
    return RegressionView(
        side=side,
        evaluation=evaluation,
        scatters=[
            charts.scatter(true, predicted, f"{side}-number{place}")
            for place, (true, predicted) in enumerate(numbers)
            if true
        ],
    )


_VIEWS: dict[type, Callable[..., View]] = {
    ClassificationEvaluation: _classification,
    MultilabelEvaluation: _multilabel,
    RegressionEvaluation: _regression,
}
