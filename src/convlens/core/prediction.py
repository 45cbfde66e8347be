"""The record of a prediction."""

from typing import Literal

from pydantic import Field

from convlens.core.records import Record, former_names
from convlens.core.run import Problem
from convlens.core.task import TaskName


class SimilarImage(Record):
    """A training image that the network sees much like another image."""

    file: str
    label: str
    sha256: str
    similarity: float
    """Cosine between what the last layer reads of both: 1 for the same."""


class Judgment(Record):
    """How far an answer can be trusted, by what is known of the training images."""

    p_value: float
    """The part of the training images that are as unlike the others as this image is."""
    rejected: bool
    """Whether that is at most the accepted rate of false alarms: then the image is none of the classes."""
    possible: list[str]
    """The classes that cannot be excluded, likeliest first: with the asked coverage, the true one is among them."""
    nearest: list[SimilarImage]
    """The most similar training images, most similar first."""


class Prediction(Record):
    """One image with the class it was given and the probability of every class; or with labels, or with numbers."""

    file: str
    predicted: str
    """Several labels, or numbers, with | between them."""
    probabilities: dict[str, float]
    """Of every class, or every label; none for numbers."""
    numbers: dict[str, float] = Field(default_factory=dict)
    judgment: Judgment | None = None
    """None where the run has nothing to judge by."""

    @property
    def answers(self) -> dict[str, float]:
        """The probabilities, or the numbers."""
        return self.probabilities or self.numbers


class PredictionRecord(Record):
    """What `convlens predict --json` prints: predictions in the order asked for, and the files that gave none."""

    _former = former_names(target="task")

    kind: Literal["convlens.prediction"] = "convlens.prediction"
    version: Literal[1] = 1
    run: str
    """The run folder, or the name of a network of the zoo."""
    task: TaskName = "classification"
    reject: float | None = None
    """The accepted rate of false alarms: of images like those trained on, the part that is rejected; None where
    nothing is judged."""
    coverage: float | None = None
    """The part of images whose possible classes include the true one."""
    predictions: list[Prediction]
    bad_files: list[Problem]
