"""The records of a comparison: recipes side by side on the same splits and seeds."""

from collections.abc import Iterable
from typing import Any, Literal

from pydantic import model_validator

from convlens.core.kinds.measure import Measure
from convlens.core.records import Record, former_names
from convlens.core.run import EpochMetrics, FeatureCounts, Versions
from convlens.core.task import TaskName

COMPARISON_FILE = "comparison.json"
COMPARISON_PAGE = "comparison.html"
BEST_RECIPE_FILE = "best.toml"

Verdict = Literal["base", "helps", "harms", "no difference shown"]


class _Measured(Record):
    """What has a mean of the measure that recipes are compared by (`kind.measure` of the comparison's task)."""

    value: float
    """The mean over the validation images: a fraction in 0..1, or an error in variances, of which less is better."""
    accuracy: float | None = None
    """The value where it is the fraction of images that are right, as it was called before; None for an error."""

    @model_validator(mode="before")
    @classmethod
    def _with_value(cls, content: Any) -> Any:
        """Comparisons of before there was more than classes have the accuracy alone."""
        if isinstance(content, dict) and "value" not in content and "accuracy" in content:
            return {**content, "value": content["accuracy"]}
        return content


class ComparedRun(_Measured):
    """One training: a recipe with one seed on one split."""

    seed: int
    fold: int
    """Number of the fold that it was evaluated on, from 1; 0 where there are no folds."""
    train_loss: float
    val_loss: float
    seconds: float
    """Of training only, on features that were there. Heads that trained at once have an equal part of the time each."""
    epochs: list[EpochMetrics]


class BackboneCost(Record):
    """What the frozen layers of a row's network cost: counted from their graph, stored, and measured on this machine.

    Where nothing is frozen, the counts are 0 and there is no pace.
    """

    backbone: str
    size: int
    """Side of the input in pixels."""
    precision: str
    """Number format of the features, in which the frozen layers ran."""
    parameters: int
    """Of the frozen layers."""
    multiply_adds: int
    """Of the frozen layers, for one image of this size, forward."""
    uncounted: list[str]
    """Operators whose multiply-adds could not be counted."""
    images_per_second: float | None
    """Of the frozen layers alone, whether or not the features were stored."""
    sample: int
    """Images on which that was measured, after a warm-up batch."""
    extract_seconds: float | None
    """For the features of all images, decoding included."""
    extract_measured: bool
    """Whether all of them were computed in this comparison; else it is what they would take, by the sample."""
    images: int
    """Images that have features."""
    bytes_per_image: int
    """Of features; augmented copies apart."""

    @property
    def feature_bytes(self) -> int:
        """Of all images."""
        return self.images * self.bytes_per_image


class ComparedRecipe(_Measured):
    """One line of the table. Values are means over the runs; losses, too, at the end of training."""

    name: str
    does: str
    recipe: dict[str, str | int | float | bool]
    trained_parameters: int
    runs: list[ComparedRun]
    interval: tuple[float, float]
    """95%: Wilson's score interval for as many different images as were evaluated; of an error, Student's."""
    difference: float
    """To the base's value."""
    difference_interval: tuple[float, float]
    """95%, paired by image and by run."""
    p_value: float
    """That of the difference, corrected for the number of recipes (Holm)."""
    verdict: Verdict
    sentence: str
    seconds: float
    """Mean of the runs."""
    train_loss: float
    val_loss: float
    cost: BackboneCost | None = None
    """Of the base and of other backbones, where backbones are compared; None for tricks."""

    @property
    def network(self) -> str:
        """What it is called among other backbones: the base by that which it has."""
        return self.cost.backbone if self.cost and self.verdict == "base" else self.name


def by_cost(rows: Iterable[ComparedRecipe]) -> list[tuple[ComparedRecipe, BackboneCost]]:
    """The rows that have a cost, with it, those with the fewest multiply-adds first."""
    return sorted(((row, row.cost) for row in rows if row.cost is not None), key=lambda pair: pair[1].multiply_adds)


class FractionPoint(Record):
    """Transfer, and training from scratch, on a part of the training images: values, means over the runs."""

    _former = former_names(pictures="images")

    fraction: float
    images: int
    transfer: float
    transfer_interval: tuple[float, float]
    scratch: float | None
    """None where that was not asked for."""
    scratch_interval: tuple[float, float] | None


class Worth(Record):
    """What more training images would be worth: how much less the error would be, of all validation images or a class.

    Of right and wrong images, 0.02 are two points of accuracy.
    """

    name: str
    """Of the class; "" for all."""
    images: int
    """Training images that there are."""
    more: int
    gain: float
    interval: tuple[float, float]
    """95%."""

    def statement(self, measure: Measure) -> str:
        """ "200 more images of ants: +2.1 points (95% interval +0.9 to +3.4)"."""
        low, high = sorted(measure.gain(bound) for bound in self.interval)
        interval = f"{measure.difference_text(low)} to {measure.difference_text(high)}"
        images = f"{self.more} more image{'s' if self.more != 1 else ''}{self.name and f' of {self.name}'}"
        return f"{images}: {measure.difference_statement(measure.gain(self.gain))} (95% interval {interval})"


class Forecast(Record):
    """The error over the number n of training images, asymptote + scale n^-exponent, and where the curve leads."""

    asymptote: float
    scale: float
    exponent: float
    runs: int
    """Of each part of the images; with one, intervals know nothing of the luck of training."""
    all: list[Worth]
    """For ever more images, of all classes in proportion."""
    classes: list[Worth]
    """Those with the largest gain first; empty where images have no class each, or too few of them."""

    def error(self, images: float) -> float:
        """With so many training images."""
        power: float = images**-self.exponent
        return self.asymptote + self.scale * power


class RangeTest(Record):
    """The smoothed loss while the learning rate grew, and the rate that follows."""

    rates: list[float]
    losses: list[float]
    proposed: float


class Comparison(Record):
    """What `convlens compare --json` prints, and comparison.json."""

    _former = former_names(pictures_folder="images_folder")

    kind: Literal["convlens.comparison"] = "convlens.comparison"
    version: Literal[1, 2] = 2
    folder: str
    """Of the comparison, with its page and the best recipe."""
    images_folder: str
    command: str
    created: str
    versions: Versions
    task: TaskName = "classification"
    classes: list[str]
    """The names of the classes, of the labels, or of the numbers."""
    num_train: int
    num_val: int
    """Images in one run."""
    num_runs: int
    """Of each recipe."""
    rows: list[ComparedRecipe]
    """The base first."""
    best: str
    """The row that is recommended; the base, unless another was shown to be better."""
    best_because: str = ""
    """Why, in a sentence."""
    features: FeatureCounts
    """Over all networks of the comparison; `bytes_per_image` is the base's."""
    frozen_unchanged: bool
    fractions: list[FractionPoint]
    forecast: Forecast | None = None
    """From transfer on the fractions; None with fewer than three."""
    range_test: RangeTest | None
    left_out: list[str]
    """What the budget left no time for, or what could not be tried, each with the reason."""
    seconds: float
    """From start to end."""
