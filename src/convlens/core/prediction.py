"""The record of a prediction."""

from typing import Literal

from pydantic import Field

from convlens.core.records import Record, former_names
from convlens.core.run import Problem
from convlens.core.task import TaskName


class Prediction(Record):
    """One image with the class it was given and the probability of every class; or with labels, or with numbers."""

    file: str
    predicted: str
    """Several labels, or numbers, with | between them."""
    probabilities: dict[str, float]
    """Of every class, or every label; none for numbers."""
    numbers: dict[str, float] = Field(default_factory=dict)

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
    task: TaskName = "classification"
    predictions: list[Prediction]
    bad_files: list[Problem]
