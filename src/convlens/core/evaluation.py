"""The record of an evaluation: how a network, or a trained run, did on a folder of labeled images."""

from typing import Literal

from convlens.core.kinds.evaluation import AnyEvaluation
from convlens.core.preprocessing import Preprocessing
from convlens.core.records import Record
from convlens.core.run import Problem


class EvaluationRecord(Record):
    """What `convlens evaluate --json` prints: for a run the evaluation that its report shows, on other images."""

    kind: Literal["convlens.evaluation"] = "convlens.evaluation"
    version: Literal[2] = 2
    network: str
    weights: str
    folder: str
    side: Literal["train", "val", "test", "all"]
    preprocessing: Preprocessing
    images: int
    accuracy: float | None
    """As in run.json; None for numbers."""
    published_accuracy: float | None
    """What the weights' publisher states for the data's validation images."""
    evaluation: AnyEvaluation
    """Of a network of the zoo, the scores of those of its classes that have images, and no confusion matrix."""
    images_per_second: float
    bad_files: list[Problem]
