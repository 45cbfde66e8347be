"""The records of what makes answers trustworthy: calibration, conformal sets, and rejection of foreign images."""

from typing import Literal

from pydantic import Field

from convlens.core.records import Record

REFERENCE_FILE = "reference.safetensors"
"""Of a run: vectors of training images, and what images held out of training gave, for use after training."""
REJECT = 0.05
"""The accepted rate of false alarms where nobody says another, or the lowest that the training images can tell."""
DetectorName = Literal["neighbors", "means"]
"""By the similarity to the nearest training images, or by the distance to the means of the classes."""


class Calibration(Record):
    """What outputs are corrected by before the softmax: logits are multiplied by factors, and offsets are added.

    One factor and no offsets is the inverse of a temperature; a factor and an offset for each class is vector scaling
    (Guo, Pleiss, Sun & Weinberger, On calibration of modern neural networks, 2017, section 4.2).
    """

    factors: list[float]
    """One, or one for each class."""
    offsets: list[float] = Field(default_factory=list)
    """None, or one for each class."""

    @property
    def temperature(self) -> float | None:
        """What logits are divided by; None where classes have factors of their own."""
        return 1 / self.factors[0] if len(self.factors) == 1 else None


class ReliabilityBin(Record):
    """Images whose highest probability lies in one bin."""

    images: int
    confidence: float
    """Mean of the highest probability."""
    accuracy: float


class CalibrationScores(Record):
    """How well probabilities agree with what happens, on one set of images."""

    expected_calibration_error: float
    """Mean over the images of how far confidence and accuracy of their bin lie apart; 15 bins of equal width."""
    interval: tuple[float, float]
    """95%, by the bootstrap over images."""
    brier: float
    """Mean squared distance of the probabilities from the truth, summed over the classes (Brier 1950): 0 to 2."""
    log_loss: float
    """In nats."""
    bins: list[ReliabilityBin]
    """Those that have images, by confidence."""


class Reference(Record):
    """Of a bundle: the file by which a network's answers are judged after training."""

    sha256: str
    """Of the file."""
    detector: DetectorName
    images: int
    """Training images whose vectors it holds."""


class Coverage(Record):
    """Conformal prediction sets on one set of images."""

    asked: float
    reached: float
    interval: tuple[float, float]
    """95% Wilson score interval of what was reached."""
    mean_size: float
    by_class: bool
    """Whether each class has a threshold of its own (class-conditional), so that each is covered as asked."""


class FalseAlarms(Record):
    """Images of known classes that are rejected."""

    asked: float
    reached: float
    interval: tuple[float, float]
    """95% Wilson score interval of what was reached."""


class Separation(Record):
    """How well a score tells foreign images from images of the classes."""

    score: Literal["neighbors", "means", "energy", "max_softmax"]
    """A detector; the energy of the logits, −log Σ exp (Liu, Wang, Owens & Li 2020); or one less the highest
    probability (Hendrycks & Gimpel 2017)."""
    auroc: float
    """The chance that a foreign image scores above an image of the classes: 0.5 for a coin."""


class Unknown(Record):
    """What a run says of images that are of none of its classes."""

    folder: str
    images: int
    known: int
    """Images of the classes that they are told from."""
    false_alarms: FalseAlarms
    """Images of the classes that are rejected."""
    detected: float
    """The part of the foreign images that are rejected at that rate."""
    interval: tuple[float, float]
    """95% Wilson score interval of it."""
    separation: list[Separation]
    """The run's own detector first."""


class Trust(Record):
    """What was fitted on predictions of images that the predicting network was not trained on, and how well it does."""

    images: int
    """Training images that were predicted out of fold."""
    folds: int
    seconds: float
    calibration: Calibration
    before: CalibrationScores
    """On the validation images, without the calibration."""
    after: CalibrationScores
    detector: DetectorName
    """The one with the highest mean AUROC, where each class in turn (of many: some) is taken for an unknown one."""
    detector_aurocs: dict[DetectorName, float]
    false_alarms: list[FalseAlarms]
    """On the validation images, at several asked rates."""
    coverage: list[Coverage]
    """On the validation images, at several asked rates."""
