"""What the process that speaks HTTP and the one that holds the model say to each other."""

import dataclasses
from typing import Literal

from convlens.core.errors import ConvlensError
from convlens.core.served import ServedModel

Runtime = Literal["auto", "onnxruntime", "torch"]
"""What computes a run or a network by name; auto takes onnxruntime where it is installed and can."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Setup:
    """The model to load: a run folder, a network by name, or an exported file."""

    named: str
    weights: str | None = None
    trust: bool = False
    """Whether an exported file may run code."""
    runtime: Runtime = "auto"
    reject: float | None = None
    """The rate of false alarms; None for the usual one."""
    shows_training_images: bool | None = None
    """Whether answers name the most similar training images; None where the address decides it."""


@dataclasses.dataclass(frozen=True)
class Ready:
    """The model is loaded; notes are for whoever has started it."""

    model: ServedModel
    notes: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Failed:
    """It cannot be loaded."""

    error: ConvlensError


@dataclasses.dataclass(frozen=True)
class Similar:
    """A training image that is much like an image; the thumbnail is a data URI."""

    file: str
    label: str
    similarity: float
    thumbnail: str | None


@dataclasses.dataclass(frozen=True)
class Judged:
    """How far an answer can be trusted."""

    p_value: float
    rejected: bool
    possible: tuple[str, ...] = ()
    nearest: tuple[Similar, ...] = ()


@dataclasses.dataclass(frozen=True)
class Prediction:
    """What the model says of one image."""

    predicted: str
    probabilities: dict[str, float]
    numbers: dict[str, float]
    remark: str | None
    judged: Judged | None = None


@dataclasses.dataclass(frozen=True)
class HeatMap:
    """Why it says so; images as data URIs."""

    target: str
    image: str
    heat_map: str


@dataclasses.dataclass(frozen=True)
class Refused:
    """Why it says nothing: a reason of `data.decode.BadImage`, or "failed"."""

    reason: str
    detail: str


@dataclasses.dataclass(frozen=True)
class Predict:
    """Predict these images, the bytes of files, together."""

    images: tuple[bytes, ...]


@dataclasses.dataclass(frozen=True)
class Explain:
    """Explain this image by the class, label or number of that name, by default the likeliest."""

    image: bytes
    target: str | None


Job = Predict | Explain
Outcome = Prediction | HeatMap | Refused
