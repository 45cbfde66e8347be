"""All kinds, by the names of their tasks; a new one is added here and in training.tasks."""

from convlens.core.kinds.classification import ClassificationKind
from convlens.core.kinds.columns import Columns
from convlens.core.kinds.kind import Kind
from convlens.core.kinds.multilabel import MultilabelKind
from convlens.core.kinds.regression import RegressionKind
from convlens.core.task import TaskName

KINDS: dict[TaskName, Kind] = {kind.name: kind for kind in (ClassificationKind(), MultilabelKind(), RegressionKind())}


def kind_of(columns: Columns, asked: TaskName | None) -> Kind:
    """What the columns of a table hold, or what was asked for: the first kind that they fit.

    Several columns hold labels where all their cells are 0 or 1 (or true or false), else numbers. One column holds
    labels where | or ; stands between words; a class where it holds words; and where it holds numbers: a class if it
    is called label, class or category and they are whole, a label if all are 0 or 1, else numbers.

    Raises DataError, with the line, for cells that are not like the others.
    """
    if asked is not None:
        return KINDS[asked]
    return next(kind for kind in KINDS.values() if kind.fits(columns))
