"""The records of a served model: what it is, and what it answers."""

from typing import Literal

from pydantic import Field

from convlens.core.records import Record
from convlens.core.task import TaskName


class ServedModel(Record):
    """What `GET /model` answers."""

    kind: Literal["convlens.served_model"] = "convlens.served_model"
    version: Literal[1] = 1
    network: str
    task: TaskName
    classes: list[str]
    """The names of the outputs, in their order."""
    weights_sha256: str
    runtime: str
    """What computes it, with its version."""
    precision: Literal["fp32", "bf16", "int8"]
    """The number format that it computes in."""
    explains: bool
    """Whether `POST /explain` is answered: an exported file holds no gradients."""


class Serving(Record):
    """What `convlens serve --json` prints when requests are answered."""

    kind: Literal["convlens.serving"] = "convlens.serving"
    version: Literal[1] = 1
    address: str
    model: ServedModel


class ServedSimilar(Record):
    """A training image that the network sees much like the image that was sent."""

    file: str
    label: str
    similarity: float
    """Cosine between what the last layer reads of both: 1 for the same."""
    thumbnail: str | None
    """As a data URI; None where it is not stored on this machine."""


class ServedAnswer(Record):
    """What is said of one image."""

    kind: Literal["convlens.answer"] = "convlens.answer"
    version: Literal[1] = 1
    predicted: str
    """Several labels, or numbers, with | between them."""
    probabilities: dict[str, float]
    """By class or label, the highest first; none for numbers."""
    numbers: dict[str, float] = Field(default_factory=dict)
    p_value: float | None = None
    """The part of the training images that are as unlike the others as this image is; None where that is not known."""
    rejected: bool | None = None
    """Whether the image is none of the classes, by its p-value."""
    possible: list[str] = Field(default_factory=list)
    """The classes that cannot be excluded, likeliest first: of 95% of the images, the true one is among them."""
    nearest: list[ServedSimilar] = Field(default_factory=list)
    """The most similar training images; none where the service keeps them to itself."""
    remark: str | None = None
    """What was remarkable about the file, such as that it is an animation, whose first frame is used."""
    milliseconds: float
    """From the last byte of the request to the answer, in the server."""


class ServedExplanation(Record):
    """What `POST /explain` answers: where in the image the evidence is (Grad-CAM)."""

    kind: Literal["convlens.served_explanation"] = "convlens.served_explanation"
    version: Literal[1] = 1
    target: str
    """The class, label or number that is explained."""
    image: str
    """What the network was shown of the image, as a data URI."""
    heat_map: str
    """A layer over it, opaque where the evidence is strongest, as a data URI."""
    milliseconds: float


class ServedRefusal(Record):
    """Why there is no answer."""

    error: str
    reason: str
    """One word for programs, such as not-an-image, too-large or busy."""


class ServedBatch(Record):
    """What `POST /predict-batch` answers: an answer or a refusal for each image, in their order."""

    kind: Literal["convlens.answers"] = "convlens.answers"
    version: Literal[1] = 1
    answers: list[ServedAnswer | ServedRefusal]
