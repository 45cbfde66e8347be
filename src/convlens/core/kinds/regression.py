"""Regression: one number for each image, or several."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Literal

from pydantic import BeforeValidator

from convlens.core.kinds.base_evaluation import Evaluation
from convlens.core.kinds.columns import Columns, numbers_in
from convlens.core.kinds.kind import SEPARATOR, Kind, Labels
from convlens.core.kinds.measure import MeanError
from convlens.core.records import Record
from convlens.core.task import present_task_name


class NumberScore(Record):
    """How well one number is predicted; all but `r2` in its own unit, the squared error in that unit squared."""

    name: str
    mean_squared_error: float
    root_mean_squared_error: float
    interval: tuple[float, float]
    """95% of the root mean squared error, by the normal distribution of the mean of many squares."""
    mean_absolute_error: float
    r2: float | None
    """The part of the variance that is explained; None where all images have the same number."""
    mean: float
    """Of the true numbers, as is the spread."""
    spread: float
    """Standard deviation: the error of always saying the mean."""


class RegressionEvaluation(Evaluation):
    """How a network did on one set of images, each of one number or several."""

    task: Annotated[Literal["regression"], BeforeValidator(present_task_name)] = "regression"
    images: int
    loss: float
    r2: float | None
    """The mean over the numbers that have one."""
    per_number: list[NumberScore]

    @property
    def accuracy(self) -> None:
        """None: a number is near or far, not right or wrong."""
        return None

    def sizes(self) -> dict[str, list[int]]:
        """Lengths that must be the number of numbers, by field."""
        return {"per_number": [len(self.per_number)]}

    def lines(self, images: str) -> Iterator[str]:
        """What a person reads at the end of a command; `images` says of which images."""
        for one in self.per_number:
            low, high = one.interval
            explained = f"R² {one.r2:.3f}" if one.r2 is not None else "no R², all are equal"
            yield (
                f"{one.name}: root mean squared error {one.root_mean_squared_error:.4g} on {images} (95% interval "
                f"{low:.4g} to {high:.4g}), {explained}; predicting the mean gives {one.spread:.4g}"
            )


class RegressionKind(Kind):
    """One number for each image, or several."""

    name = "regression"
    noun = ("number", "numbers")
    holds = "numbers"
    loss = "L2"
    loss_unit = "training variances"
    measure = MeanError(
        name="squared error",
        statement="the squared error is {} of the variance of the validation images",
        note="The squared error of each number is in units of its variance over the validation images, averaged over "
        "the numbers. Lower is better: 0 is perfect, and 1 is as good as always predicting the mean.",
    )

    def fits(self, columns: Columns) -> bool:
        """All that is nothing else: `read` says what is no number."""
        return True

    def read(self, columns: Columns, *, asked: bool) -> tuple[list[Labels], Labels]:
        """A column for each number."""
        rows = zip(*(numbers_in(name, cells, asked=asked) for name, cells in columns.items()), strict=True)
        return [tuple(map(repr, row)) for row in rows], tuple(columns)

    def names_columns(self, columns: Sequence[str], names: Sequence[str]) -> bool:
        """A column for each number."""
        return {*columns} == {*names}

    def columns_of_run(self, asked: Labels, names: Labels) -> tuple[Labels, Labels]:
        """Those of its numbers, in the order of the outputs."""
        return names, ()

    def strata(self, labels: Labels) -> Labels:
        """Nothing: no two images need have the same number."""
        return ()

    def labels_in(self, text: str) -> Labels:
        """Those between |."""
        return tuple(text.split(SEPARATOR))

    def counted(self, names: Sequence[str]) -> Labels:
        """Nothing."""
        return ()

    def summary(self, names: Sequence[str]) -> str:
        """The numbers by name."""
        return f"with the numbers {', '.join(names)}"

    def shown_columns(self, names: Sequence[str]) -> list[str]:
        """A column for each number."""
        return list(names)

    def shown_cells(self, predicted: str, answers: Mapping[str, float]) -> list[str]:
        """The numbers with six digits."""
        return [f"{number:.6g}" for number in answers.values()]
