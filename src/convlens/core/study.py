"""The record of a study: what was measured, what follows from it, and what is drawn."""

from typing import Literal

from pydantic import Field

from convlens.core.records import Record

STUDY_FILE = "study.json"

Verdict = Literal["agrees", "disagrees", "not shown"]
"""Whether a finding agrees with the claim, contradicts it, or leaves it open at this size."""
Value = float | list[float]
Case = dict[str, str | int | float]
"""What is varied, by name: {"network": "plain56", "seed": 0}."""


class Measured(Record):
    """One case and its numbers."""

    case: Case
    values: dict[str, Value]
    seconds: float


class Finding(Record):
    """A sentence on what was found, with its interval."""

    sentence: str
    verdict: Verdict


class Point(Record):
    """One point of a chart; `low` and `high` are its interval."""

    x: float
    y: float
    low: float | None = None
    high: float | None = None
    label: str = ""


class Series(Record):
    """Points that belong together; `joined` ones have a line through them."""

    name: str
    points: list[Point]
    joined: bool = True


class Axis(Record):
    """What lies on an axis: plain numbers, parts of one as percentages, large counts with units, or names."""

    label: str
    form: Literal["number", "percent", "quantity"] = "number"
    log: bool = False
    names: list[str] = Field(default_factory=list)
    """Names of the places 0, 1, 2, ...; empty where the axis has numbers."""


class Level(Record):
    """A height to compare with, such as that of guessing, or a curve that theory gives."""

    name: str
    y: float


class Chart(Record):
    """Series over one pair of axes; `name` is unique among a study's charts and heat maps."""

    name: str
    title: str
    x: Axis
    y: Axis
    series: list[Series]
    levels: list[Level] = Field(default_factory=list)


class HeatMap(Record):
    """Numbers by two places each; None where there is none."""

    name: str
    title: str
    row: str
    column: str
    value: str
    cells: list[list[float | None]]


class Table(Record):
    """Rows of cells as they are read; the first cell names the row."""

    title: str
    columns: list[str]
    rows: list[list[str]]


class Conclusion(Record):
    """What follows from the measurements: sentences, and what is drawn."""

    findings: list[Finding]
    charts: list[Chart] = Field(default_factory=list)
    heat_maps: list[HeatMap] = Field(default_factory=list)
    tables: list[Table] = Field(default_factory=list)
    caveat: str = ""
    """What this size of the experiment cannot show, and what size would."""


class StudyRecord(Record):
    """What `convlens study NAME` writes and prints: enough to draw the page again, and to go on measuring."""

    kind: Literal["convlens.study"] = "convlens.study"
    version: Literal[1] = 1
    name: str
    form: Literal["quick", "full", "own"]
    command: str
    settings: dict[str, str | int | float | bool | list[str | int | float]]
    data: list[str]
    """One line for each set of images."""
    fingerprint: str
    """Of what the numbers depend on besides the case: settings, images, and the versions of convlens and torch."""
    made: str
    machine: str
    convlens: str
    torch: str
    planned: int
    """How many cases there are in all."""
    measured: list[Measured]
    conclusion: Conclusion

    @property
    def finished(self) -> bool:
        """Whether all cases were measured."""
        return len(self.measured) == self.planned

    @property
    def seconds(self) -> float:
        """What measuring took."""
        return sum(one.seconds for one in self.measured)
