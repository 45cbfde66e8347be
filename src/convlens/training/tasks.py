"""All tasks by name; a new one is added here and in core.kinds.registry."""

from convlens.core.bundle import Bundle
from convlens.core.task import TaskName
from convlens.training.classification import Classification
from convlens.training.multilabel import Multilabel
from convlens.training.regression import Regression
from convlens.training.task import Task

TASKS: dict[TaskName, type[Task]] = {task.kind.name: task for task in (Classification, Multilabel, Regression)}


def task_of(bundle: Bundle) -> Task:
    """What a run has learned. Raises DataError where its bundle lacks a scale that is needed."""
    return TASKS[bundle.task].stored(bundle.classes, bundle.scale).calibrated(bundle.calibration)
