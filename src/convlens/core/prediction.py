"""The record of a prediction."""

from typing import Literal

from convlens.core.records import Record
from convlens.core.run import Problem


class Prediction(Record):
    """One picture with the class it was given and the probability of every class."""

    file: str
    predicted: str
    probabilities: dict[str, float]


class PredictionRecord(Record):
    """What `convlens predict --json` prints: predictions in the order asked for, and the files that gave none."""

    kind: Literal["convlens.prediction"] = "convlens.prediction"
    version: Literal[1] = 1
    run: str
    predictions: list[Prediction]
    bad_files: list[Problem]
