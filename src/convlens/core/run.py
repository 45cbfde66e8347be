"""The records of a run folder: what was run, on what, with what result. Enough to draw the report again."""

from typing import Literal

from convlens.core.records import Record

RUN_FILE = "run.json"
METRICS_FILE = "metrics.jsonl"
PREDICTIONS_FILE = "predictions.csv"
BAD_FILES_FILE = "bad_files.jsonl"
REPORT_FILE = "report.html"
RECIPE_FILE = "recipe.toml"
THUMBNAILS_FOLDER = "thumbnails"
EXPLAINED_FOLDER = "explained"


class Problem(Record):
    """One thing wrong with one file (or class folder), and whether the picture is used all the same."""

    file: str
    """Path relative to the folder of pictures."""
    reason: str
    """One word: unreadable, truncated, not-an-image, too-large, duplicate, two-labels, tiny, animated ..."""
    detail: str
    used: bool


class EpochMetrics(Record):
    """One line of metrics.jsonl. Losses are mean categorical cross-entropy in nats, accuracies lie in 0..1."""

    epoch: int
    learning_rate: float
    train_loss: float
    train_accuracy: float
    val_loss: float
    val_accuracy: float
    seconds: float


class ClassScore(Record):
    """Precision, recall and F1 of one class; `support` is its number of pictures."""

    name: str
    precision: float
    recall: float
    f1: float
    support: int


class Roc(Record):
    """The receiver operating characteristic of a two-class run; the second class counts as positive."""

    positive: str
    false_positive_rate: list[float]
    true_positive_rate: list[float]
    area: float


class Evaluation(Record):
    """How a network did on one set of pictures."""

    pictures: int
    accuracy: float
    interval: tuple[float, float]
    """95 % Wilson score interval of the accuracy."""
    loss: float
    confusion: list[list[int]]
    """`confusion[i][j]`: pictures of class i that were taken for class j."""
    per_class: list[ClassScore]
    roc: Roc | None


class Mistake(Record):
    """A picture that was classified wrongly, with the probability that each of the likeliest classes was given."""

    file: str
    true: str
    predicted: str
    probabilities: dict[str, float]
    """The true class and the up to five likeliest ones, likeliest first."""
    thumbnail: str
    """JPEG file, relative to the run folder."""


class ImageCounts(Record):
    """Pictures in use, per side of the split."""

    train: int
    val: int
    test: int


class FeatureCounts(Record):
    """What the frozen prefix had to do: images computed now, images reused from the store, images decoded."""

    computed: int
    reused: int
    decoded: int
    bytes_per_image: int


class Seconds(Record):
    """Wall-clock seconds. `decode` is time that the forward pass waited for pictures, a part of `prefix`."""

    scan: float
    capture: float
    prefix: float
    decode: float
    fit: float
    evaluate: float
    rest: float
    total: float


class Crossing(Record):
    """A tensor that crosses the cut between frozen prefix and trained suffix; `shape` is that of one image."""

    name: str
    module: str
    shape: list[int]
    dtype: str


class FreezeOutcome(Record):
    """What stayed fixed, where the network was cut, and the proof that the fixed part did not change."""

    plan: str
    frozen_parameters: int
    trained_parameters: int
    crossings: list[Crossing]
    frozen_unchanged: bool
    """Every parameter and buffer of the frozen part is bit-equal before and after the run."""


class WeightsUsed(Record):
    """Where the starting weights came from."""

    source: Literal["package", "published", "file", "module", "random"]
    name: str
    sha256: str | None


class Versions(Record):
    """What the run was made with."""

    convlens: str
    torch: str
    python: str
    machine: str


class RunRecord(Record):
    """run.json: everything that a reader of a run needs, and the record that `convlens train --json` prints."""

    kind: Literal["convlens.run"] = "convlens.run"
    version: Literal[1] = 1
    run: str
    """Path of the run folder, as it was when the run was made."""
    command: str
    created: str
    versions: Versions
    folder: str
    backbone: str
    weights: WeightsUsed
    recipe: dict[str, str | int | float | bool]
    freeze: FreezeOutcome
    classes: list[str]
    images: ImageCounts
    images_per_class: dict[str, ImageCounts]
    bad_files: list[Problem]
    features: FeatureCounts
    seconds: Seconds
    accuracy: float
    """On the validation pictures, with the weights of the last epoch."""
    validation: Evaluation
    test: Evaluation | None
    mistakes: list[Mistake]
    warnings: list[str]
