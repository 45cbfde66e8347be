"""The record of an evaluation: how a network, or a trained run, did on a folder of labeled images."""

from typing import Literal

from convlens.core.preprocessing import Preprocessing
from convlens.core.records import Record
from convlens.core.run import LabelsEvaluation, NumbersEvaluation, Problem


class ClassAccuracy(Record):
    """How many images of one class were classified rightly."""

    key: str
    """As the data set numbers it: a synset number of ImageNet; otherwise the name."""
    name: str
    images: int
    accuracy: float


class Judgement(Record):
    """What `convlens evaluate --json` prints. Accuracies lie in 0..1; intervals are 95 % Wilson score intervals.

    For runs on several labels or numbers `detail` has what there is to say; accuracy and interval are those of the
    exact match of labels, and None for numbers.
    """

    kind: Literal["convlens.judgement"] = "convlens.judgement"
    version: Literal[1] = 1
    network: str
    weights: str
    folder: str
    side: Literal["train", "val", "test", "all"]
    preprocessing: Preprocessing
    images: int
    accuracy: float | None
    interval: tuple[float, float] | None
    top5_accuracy: float | None
    """None for fewer than six classes: any guess would be right."""
    loss: float
    """Mean categorical cross-entropy in nats; for labels and numbers as in the run's metrics."""
    published_accuracy: float | None
    """What the weights' publisher states for the data's validation images."""
    per_class: list[ClassAccuracy]
    """Of the classes that have images; none where classes are not what is told."""
    detail: LabelsEvaluation | NumbersEvaluation | None = None
    images_per_second: float
    bad_files: list[Problem]
