"""The records of a list of runs, and of what two runs differ in."""

from typing import Literal

from convlens.core.records import Record
from convlens.core.run import ImageCounts, Problem
from convlens.core.task import TaskName


class RunSummary(Record):
    """A finished run in a line."""

    run: str
    created: str
    folder: str
    """Of the images."""
    backbone: str
    task: TaskName
    classes: list[str]
    images: ImageCounts
    score_name: str
    score: float | None
    """On the validation images; None where it is not defined."""
    score_text: str
    seconds: float
    bytes: int
    """Of all files of the run."""


class RunList(Record):
    """What `convlens runs --json` prints: the runs of a folder, the newest last."""

    kind: Literal["convlens.runs"] = "convlens.runs"
    version: Literal[1] = 1
    folder: str
    runs: list[RunSummary]
    unreadable: list[Problem]
    """Runs whose record cannot be read."""
    best: str | None
    """The run with the highest score; None where scores cannot be compared."""
    incomparable: str | None
    """Why there is no best one."""


class Difference(Record):
    """A field in which two runs differ."""

    field: str
    first: str
    second: str


class RunDifference(Record):
    """What `convlens runs --diff A B --json` prints."""

    kind: Literal["convlens.run-difference"] = "convlens.run-difference"
    version: Literal[1] = 1
    first: RunSummary
    second: RunSummary
    recipe: list[Difference]
    data: list[Difference]
    made_with: list[Difference]
    common_validation_images: int
    """By their bytes. Scores are of the same images where both runs validated on these alone."""
