"""The record of a prediction."""

from typing import Literal

from pydantic import Field

from convlens.core.records import Record
from convlens.core.run import Problem
from convlens.core.target import TargetKind


class Prediction(Record):
    """One image with the class it was given and the probability of every class; or with labels, or with numbers."""

    file: str
    predicted: str
    """As `core.target` writes it: several labels, or numbers, with | between them."""
    probabilities: dict[str, float]
    """Of every class, or every label; none for numbers."""
    numbers: dict[str, float] = Field(default_factory=dict)


class PredictionRecord(Record):
    """What `convlens predict --json` prints: predictions in the order asked for, and the files that gave none."""

    kind: Literal["convlens.prediction"] = "convlens.prediction"
    version: Literal[1] = 1
    run: str
    """The run folder, or the name of a network of the zoo."""
    target: TargetKind = "class"
    predictions: list[Prediction]
    bad_files: list[Problem]
