"""The record of an inspection: what every module of a network costs and sees."""

from typing import Literal

from convlens.core.records import Record

SeenPixels = int | list[int] | str | None
"""Pixels along each axis (one number where all are equal), "whole input", or None where it cannot be determined."""


class ModuleLine(Record):
    """One module, with all that is inside it; `state` is frozen, trained, mixed, or "" without parameters."""

    module: str
    kind: str
    output_shape: list[int | str] | None
    parameters: int
    multiply_adds: int
    activation_bytes: int
    receptive_field: SeenPixels
    state: Literal["frozen", "trained", "mixed", ""]
    crosses: bool
    """Whether a tensor that is stored at the cut is made here."""


class Inspection(Record):
    """What `convlens inspect --json` prints; counts are for one image."""

    kind: Literal["convlens.inspection"] = "convlens.inspection"
    version: Literal[1] = 1
    name: str
    input_shape: list[int | str]
    freeze: str | None
    modules: list[ModuleLine]
    parameters: int
    multiply_adds: int
    backward_multiply_adds: int
    activation_bytes: int
    parameter_bytes: int
    receptive_field: SeenPixels
    """Of the last feature map before global pooling or the classifier."""
    unsupported: list[str]
    """Operators, or places in the network, for which something could not be determined."""
