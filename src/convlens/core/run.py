"""The records of a run folder: what was run, on what, with what result. Enough to draw the report again."""

from collections.abc import Iterator, Sequence
from typing import Literal

from convlens.core.extension import Extension
from convlens.core.kinds.evaluation import AnyEvaluation
from convlens.core.records import Record, former_names
from convlens.core.search import Search
from convlens.core.task import TaskName
from convlens.core.trust import Trust

RUN_FILE = "run.json"
BEGUN_FILE = "begun.json"
METRICS_FILE = "metrics.jsonl"
PREDICTIONS_FILE = "predictions.csv"
BAD_FILES_FILE = "bad_files.jsonl"
REPORT_FILE = "report.html"
RECIPE_FILE = "recipe.toml"
THUMBNAILS_FOLDER = "thumbnails"
EXPLAINED_FOLDER = "explained"
UNFINISHED = ".unfinished"
"""What the name of a run's folder ends with until all of it is there."""
NO_LABEL = "no-label"
"""The reason of a problem that names an image outside the table of labels, which may be about some images only."""


class Problem(Record):
    """One thing wrong with one file (or class folder), and whether the image is used all the same."""

    file: str
    """Path relative to the folder of images."""
    reason: str
    """One word: unreadable, truncated, not-an-image, too-large, duplicate, two-labels, tiny, animated ..."""
    detail: str
    used: bool


def outside_table(problems: Sequence[Problem]) -> str:
    """How many images stand outside the table of labels, as a sentence without its full stop; "" for none."""
    count = sum(one.reason == NO_LABEL for one in problems)
    if not count:
        return ""
    return (
        f"{count} {'image of the folder is' if count == 1 else 'images of the folder are'} not in the table of labels"
    )


def few_of_each_reason(problems: Sequence[Problem], few: int) -> Iterator[str]:
    """Lines on files: of each reason the first few, then how many more there are of it.

    Images outside the table of labels are left out: they are no problem of a file.
    """
    reasons: dict[str, list[Problem]] = {}
    for problem in problems:
        if problem.reason != NO_LABEL:
            reasons.setdefault(problem.reason, []).append(problem)
    for reason, alike in reasons.items():
        for problem in alike[:few]:
            yield f"{problem.file}: {reason}, {problem.detail} ({'used' if problem.used else 'not used'})"
        if len(alike) > few:
            yield f"{len(alike) - few} more: {reason}"


class EpochMetrics(Record):
    """One line of metrics.jsonl. Losses are those of the run (`RunRecord.loss`), accuracies lie in 0..1.

    Cross-entropies are in nats; the L2 loss in variances of the training images' numbers, and without an accuracy.
    For several labels the accuracy is the part of all labels of all images that is predicted correctly.
    """

    epoch: int
    learning_rate: float
    train_loss: float
    train_accuracy: float | None
    val_loss: float
    val_accuracy: float | None
    seconds: float


class Mistake(Record):
    """A wrong prediction, with the probability that each of the likeliest classes or labels was given."""

    file: str
    true: str
    predicted: str
    probabilities: dict[str, float]
    """The true ones and the up to five likeliest ones, likeliest first; none for numbers."""
    thumbnail: str
    """JPEG file, relative to the run folder."""


class ImageCounts(Record):
    """Images in use, per side of the split."""

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
    """Wall-clock seconds. `decode` is time that the forward pass waited for images, a part of `prefix`."""

    scan: float
    capture: float
    prefix: float
    decode: float
    fit: float
    calibrate: float = 0.0
    """0 in records of before."""
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

    source: Literal["package", "published", "file", "module", "timm", "random"]
    name: str
    sha256: str | None
    license: str | None = None
    """In the words of the library that downloads them, which may be those of a license that is not free."""


class Versions(Record):
    """What the run was made with."""

    convlens: str
    torch: str
    python: str
    machine: str


class RunRecord(Record):
    """run.json: everything that a reader of a run needs, and the record that `convlens train --json` prints."""

    _former = former_names(target="task")

    kind: Literal["convlens.run"] = "convlens.run"
    version: Literal[1, 2] = 2
    run: str
    """Path of the run folder, as it was when the run was made."""
    command: str
    created: str
    versions: Versions
    folder: str
    backbone: str
    weights: WeightsUsed
    recipe: dict[str, str | int | float | bool]
    changed: list[str] | None = None
    """Fields of the recipe that are not what `train` takes for this backbone; None in records of before."""
    freeze: FreezeOutcome
    task: TaskName = "classification"
    loss: str = "categorical cross-entropy"
    """The loss that was trained on: it follows from what was learned."""
    classes: list[str]
    """The names of the classes, of the labels, or of the numbers."""
    images: ImageCounts
    images_per_class: dict[str, ImageCounts]
    """By class, or by label; nothing for numbers."""
    bad_files: list[Problem]
    features: FeatureCounts
    seconds: Seconds
    accuracy: float | None
    """On the validation images, with the weights of the last epoch; None for numbers."""
    validation: AnyEvaluation
    test: AnyEvaluation | None
    mistakes: list[Mistake]
    warnings: list[str]
    trust: Trust | None = None
    """What is known of how far its answers can be trusted; None where they were not calibrated."""
    not_calibrated: str = ""
    """Why, in that case; "" in records of before."""
    chosen_by: Search | None = None
    """The search that the recipe is from, if it is from one."""
    extension: Extension | None = None
    """What was added to which run, where it extends one."""
