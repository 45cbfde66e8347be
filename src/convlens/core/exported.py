"""The records of an exported model: what the file says of itself, and the proof that it answers as the run does."""

from typing import Literal

from pydantic import Field

from convlens.core.bundle import Scale
from convlens.core.preprocessing import Preprocessing
from convlens.core.records import Record
from convlens.core.task import TaskName
from convlens.core.trust import Calibration

ExportFormat = Literal["onnx", "pt2", "browser", "openvino"]
LARGEST_DIFFERENCE = 1e-4
"""Of an answer of an exported model from the run's in float32, as a probability, or in a number's standard deviations
over the training images."""
LARGEST_DIFFERENCE_INT8 = 0.02
"""The same of a model in 8 bits from what it answered where it was made: processors multiply 8 bits in several ways."""
LARGEST_P_DIFFERENCE = 0.05
"""Of a p-value of an exported model from the run's: it counts training images, and rounding may change the count."""
NumberFormat = Literal["fp32", "int8"]
OutputName = Literal["answers", "p_values", "vectors"]


class GoldenImage(Record):
    """A made image that travels in the file, and what is expected of it: the answers of the run in float32, or those
    of the file itself when it was made, where it computes in 8 bits."""

    name: str
    png: str
    """The file, as base64."""
    answers: list[float]
    p_value: float | None = None
    """None where the file gives none."""


class ExportCard(Record):
    """What travels in an exported file, as JSON: how to feed it, what its outputs mean, and how to prove it."""

    kind: Literal["convlens.export"] = "convlens.export"
    version: Literal[1] = 1
    convlens: str
    """The version that wrote it."""
    network: str
    whole: bool
    """Whether its input is decoded pixels (N, H, W, 3), uint8, RGB, of any size; else what `preprocessing` makes of
    them, (N, 3, size, size), float32."""
    task: TaskName
    classes: list[str]
    """What the answers are of, in their order."""
    outputs: list[OutputName] = Field(default_factory=lambda: list[OutputName](["answers"]))
    """What the file gives: answers of shape (N, classes), and the p-value of each image, of shape (N,): the part of the
    training images that are as unlike the others as the image is."""
    reject: float | None = None
    """The p-value up to which an image counts as none of the classes, where nobody says another."""
    calibration: Calibration | None = None
    """What the probabilities have been corrected by."""
    preprocessing: Preprocessing
    weights_sha256: str
    """Of the run's model.safetensors, or of the published file."""
    weights_license: str | None
    """Of the weights that the training started from; None where it is not known."""
    scale: Scale | None
    """Of numbers: their mean and standard deviation over the training images."""
    golden: list[GoldenImage]
    precision: NumberFormat = "fp32"
    """The number format that it computes in."""

    @property
    def largest_difference(self) -> float:
        """Of an answer to a golden image from the one in the card."""
        return LARGEST_DIFFERENCE if self.precision == "fp32" else LARGEST_DIFFERENCE_INT8


class Flip(Record):
    """An image whose prediction is another one in the exported model."""

    file: str
    expected: str
    got: str


class Parity(Record):
    """How the answers of an exported model compare with the expected ones."""

    images: int
    largest_difference: float
    """Of probabilities, or of numbers in their standard deviations; infinite where an answer is not a finite number."""
    limit: float = LARGEST_DIFFERENCE
    """The largest difference that is accepted."""
    flips: list[Flip] = Field(default_factory=list)
    largest_p_difference: float = 0.0
    """Of p-values."""

    @property
    def proved(self) -> bool:
        """Whether every answer is near enough; a prediction then flips only where two answers are as near."""
        return self.largest_difference <= self.limit and self.largest_p_difference <= LARGEST_P_DIFFERENCE


class ValidationParity(Record):
    """The exported model on the run's validation images."""

    float32: Parity
    """Against the run in float32, on the pixels that convlens itself decodes."""
    as_trained: Parity
    """Against the run's own predictions, which may have been computed in bfloat16."""
    whole_decode: Parity | None
    """On the full pixels of the large JPEGs that convlens decodes at a fraction of their size; None without any."""


class QuantizationCost(Record):
    """What 8 bits cost on the validation images: scores of the same images, paired."""

    images: int
    alike: int
    """Images that are predicted as in float32; for numbers, those within a twentieth of a standard deviation."""
    task: TaskName
    """It says what the scores are: accuracy, exact match, or the squared error relative to the variance."""
    float32_score: float
    score: float
    difference: float
    interval: tuple[float, float]
    """95%, of the difference."""
    float32_milliseconds: float
    """Of one image from decoded pixels to answers, in the file's runtime; the median."""
    milliseconds: float


class Quantization(Record):
    """A model in 8 bits, beside the same in float32."""

    calibration_images: int
    """Training images whose values have set the ranges."""
    float32_bytes: int
    """Of the model's file."""
    bytes: int
    cost: QuantizationCost | None
    """None where no validation image is where it was."""


class ExportRecord(Record):
    """What `convlens export --json` prints."""

    kind: Literal["convlens.exported"] = "convlens.exported"
    version: Literal[1] = 1
    file: str
    """A folder for browser and openvino."""
    format: ExportFormat
    whole: bool
    bytes: int
    runtime: str
    """Name and version of what computed the proof, and the processors that a compiled file is for."""
    golden: Parity
    validation: ValidationParity | None
    """None where there is no run, or none of its validation images is where it was; of the model in float32."""
    quantization: Quantization | None = None


class Verification(Record):
    """What `convlens verify --json` prints: an exported file on its own golden images."""

    kind: Literal["convlens.verification"] = "convlens.verification"
    version: Literal[1] = 1
    file: str
    runtime: str
    """Name and version of what computed it."""
    network: str
    golden: Parity
