"""The record of the study of accuracy against complexity."""

from typing import Literal

from convlens.core.records import Record

COMPLEXITY_FILE = "complexity.json"
COMPLEXITY_UNFINISHED_FILE = "complexity.unfinished.json"


class ComplexityPoint(Record):
    """One network: its published accuracy, what it costs by our count, and how fast it ran here."""

    name: str
    family: str
    year: int
    weights: str
    """The published set of weights that the accuracy is of; "paper" where none is published."""
    top1: float
    """Percent, ImageNet validation, as published."""
    note: str | None
    """How the accuracy was measured, where that was not on one center crop of every image."""
    parameters: int
    multiply_adds: int
    """Forward pass of one image."""
    activation_bytes: int
    size: int
    """Side of the input in pixels."""
    images_per_second: float | None
    """Measured on this machine; None where nothing was measured."""
    peak_bytes: int | None = None
    """The most memory that weights, images and values take at one time in a forward pass of one batch, measured in a
    process of its own; None where it was not measured, or the system does not tell it."""
    joules_per_image: float | None = None
    """What all processor packages of this machine took while it ran, by image; None where the system does not count it
    or does not let it be read."""


class ComplexityStudy(Record):
    """What `convlens study complexity --json` prints."""

    kind: Literal["convlens.study.complexity"] = "convlens.study.complexity"
    version: Literal[1] = 1
    made: str
    machine: str
    batch: int
    """Images per forward pass in the measurements."""
    points: list[ComplexityPoint]
