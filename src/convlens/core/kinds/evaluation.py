"""Evaluations: how well a network does on a set of images, of whatever task, and what `convlens evaluate` prints."""

from typing import Annotated, Any

from pydantic import Discriminator, Tag

from convlens.core.kinds.classification import ClassificationEvaluation
from convlens.core.kinds.multilabel import MultilabelEvaluation
from convlens.core.kinds.regression import RegressionEvaluation
from convlens.core.task import present_task_name


def _task_in(value: Any) -> str:
    """The task of an evaluation; runs of before there was more than classes do not say it."""
    if isinstance(value, dict):
        return str(present_task_name(value.get("task", value.get("target", "classification"))))
    return str(getattr(value, "task", ""))


AnyEvaluation = Annotated[
    Annotated[ClassificationEvaluation, Tag("classification")]
    | Annotated[MultilabelEvaluation, Tag("multilabel")]
    | Annotated[RegressionEvaluation, Tag("regression")],
    Discriminator(_task_in),
]
