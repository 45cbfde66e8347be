"""The record of an evaluation: how a network, or a trained run, did on a folder of labeled images."""

from typing import Literal

from convlens.core.kinds.evaluation import AnyEvaluation
from convlens.core.preprocessing import Preprocessing
from convlens.core.records import Record
from convlens.core.run import Problem
from convlens.core.trust import CalibrationScores, Unknown


class WithoutTrained(Record):
    """The evaluated images whose bytes the run was not trained on."""

    images: int
    accuracy: float
    """The one to quote."""
    interval: tuple[float, float]
    """95% Wilson score interval."""


class Slice(Record):
    """A part of the evaluated images that a fact about them sets apart."""

    fact: str
    value: str
    """Or from where to where."""
    images: int
    accuracy: float
    interval: tuple[float, float]
    """Wilson's, at 95% for all slices together (Bonferroni)."""
    others: float
    """Accuracy on all other images."""
    p_value: float
    """That the difference is chance, corrected for the number of slices (Holm)."""


class Slices(Record):
    """Parts of the evaluated images, the least accurate first."""

    looks: int
    """Slices that were looked at."""
    slices: list[Slice]

    @property
    def worst(self) -> Slice | None:
        """The least accurate one of those that are shown to be worse than the rest."""
        return next((one for one in self.slices if one.p_value < 0.05 and one.accuracy < one.others), None)


class EvaluationRecord(Record):
    """What `convlens evaluate --json` prints: for a run the evaluation that its report shows, on other images."""

    kind: Literal["convlens.evaluation"] = "convlens.evaluation"
    version: Literal[2] = 2
    network: str
    weights: str
    folder: str
    side: Literal["train", "val", "test", "all", "unseen"]
    """The side of the folder's split; "unseen" for the images of a folder that the run was not trained on."""
    preprocessing: Preprocessing
    images: int
    trained_on: int = 0
    """Of these images, how many the run was trained on: what it does on them says little of new images."""
    trained_on_known: bool = True
    """Whether the run says what it was trained on; False where its split is not there any more."""
    without_trained: WithoutTrained | None = None
    """Where it was trained on some of these images, but not on all, and learned classes."""
    accuracy: float | None
    """As in run.json; None for numbers."""
    published_accuracy: float | None
    """What the weights' publisher states for the data's validation images."""
    evaluation: AnyEvaluation
    """Of a network of the zoo, the scores of those of its classes that have images, and no confusion matrix."""
    calibration: CalibrationScores | None = None
    """How far probabilities of classes agree with what happens; None of labels and numbers."""
    unknown: Unknown | None = None
    """None where no folder of foreign images was given."""
    slices: Slices | None = None
    """None where they were not asked for."""
    images_per_second: float
    bad_files: list[Problem]
