"""The record of what a machine has, and what each lack costs."""

from typing import Literal

from convlens.core.records import Record

Group = Literal["versions", "machine", "images", "extras", "disk", "weights"]
State = Literal["good", "missing", "unknown", "fatal"]


class Finding(Record):
    """One thing that was looked for."""

    group: Group
    name: str
    state: State
    """missing: something is slower or cannot be done; fatal: training cannot work; unknown: it cannot be told here."""
    value: str
    """What was found."""
    amount: int | None = None
    """The same as a number: bytes, cores or networks."""
    cost: str = ""
    """What cannot be done without it, or how that is slower."""
    next_step: str = ""


class Diagnosis(Record):
    """What `convlens doctor --json` prints."""

    kind: Literal["convlens.doctor"] = "convlens.doctor"
    version: Literal[1] = 1
    training_works: bool
    """Nothing that was found makes it impossible."""
    findings: list[Finding]
