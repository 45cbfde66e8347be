"""Measures: what the recipes of a comparison are compared with each other by, and how a person reads it."""

import abc
import dataclasses
from typing import ClassVar


@dataclasses.dataclass(frozen=True, kw_only=True)
class Measure(abc.ABC):
    """A number for each validation image, of which means are compared; `training.task.Task.scores` computes it."""

    name: str
    statement: str
    """Of a mean, which stands for {}."""
    note: str = ""
    """What a reader needs to know about the numbers; "" where the name says all."""
    proportion: ClassVar[bool]
    """Whether an image is right or wrong: 1 or 0."""
    lower_is_better: ClassVar[bool]
    difference_unit: ClassVar[str]
    """Of `difference_text`; "" for that of the means."""

    @property
    def best(self) -> str:
        """What the best recipe has."""
        return f"{'lowest' if self.lower_is_better else 'highest'} {self.name}"

    def gain(self, difference: float) -> float:
        """How much better a mean is that differs by so much; below 0 where it is worse."""
        return -difference if self.lower_is_better else difference

    @abc.abstractmethod
    def text(self, mean: float) -> str:
        """A mean."""

    @abc.abstractmethod
    def tick(self, mean: float) -> str:
        """A mean on an axis, with no digit too many."""

    @abc.abstractmethod
    def difference_text(self, difference: float) -> str:
        """A difference of means, with its sign."""

    @abc.abstractmethod
    def difference_statement(self, difference: float) -> str:
        """The same with what it is a difference of."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Proportion(Measure):
    """The fraction of images that are right."""

    proportion = True
    lower_is_better = False
    difference_unit = "points"

    def text(self, mean: float) -> str:
        """0.9412 -> '94.1%'."""
        return f"{mean:.1%}"

    def tick(self, mean: float) -> str:
        """0.95 -> '95%'."""
        return f"{100 * mean:.4g}%"

    def difference_text(self, difference: float) -> str:
        """0.0121 -> '+1.2'."""
        return f"{100 * difference:+.1f}"

    def difference_statement(self, difference: float) -> str:
        """0.0121 -> '+1.2 points'."""
        return f"{self.difference_text(difference)} points"


@dataclasses.dataclass(frozen=True, kw_only=True)
class MeanError(Measure):
    """The mean of an error that is 0 at best and has no upper limit."""

    proportion = False
    lower_is_better = True
    difference_unit = ""

    def text(self, mean: float) -> str:
        """0.12344 -> '0.1234': four decimals, so that columns line up."""
        return f"{mean:.4f}"

    def tick(self, mean: float) -> str:
        """0.05 -> '0.05'."""
        return f"{mean:.4g}"

    def difference_text(self, difference: float) -> str:
        """-0.01234 -> '-0.0123'; what rounds to 0 has no minus."""
        return f"{round(difference, 4) + 0.0:+.4f}"

    def difference_statement(self, difference: float) -> str:
        """-0.01234 -> 'squared error -0.0123'."""
        return f"{self.name} {self.difference_text(difference)}"
