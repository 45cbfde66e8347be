"""The bundle: a trained network as model.safetensors and model.json, enough to predict, with no pickle anywhere."""

from typing import Literal

from convlens.core.preprocessing import Preprocessing
from convlens.core.records import Record, former_names
from convlens.core.task import TaskName
from convlens.core.trust import Calibration, Reference

MODEL_FILE = "model.safetensors"
BUNDLE_FILE = "model.json"


class HeadForm(Record):
    """The layers that end a network: a linear one, or a hidden one, a ReLU and a linear one, with what is between."""

    hidden: int = 0
    """Units of the hidden layer; 0 for none."""
    dropout: float = 0.0
    """Of what the last layer reads."""
    batch_norm: bool = False
    """Of the hidden layer, or else of what the linear one reads."""

    @property
    def plain(self) -> bool:
        """Whether it is one layer alone."""
        return not (self.hidden or self.dropout or self.batch_norm)


PLAIN_HEAD = HeadForm()


class Scale(Record):
    """Mean and standard deviation of each number over the training images: a network's outputs are free of both."""

    mean: list[float]
    spread: list[float]


class Bundle(Record):
    """model.json: how to build the network, feed it, and read its output; `sha256` is that of model.safetensors."""

    _former = former_names(target="task")

    kind: Literal["convlens.bundle"] = "convlens.bundle"
    version: Literal[1] = 1
    backbone: str
    head: HeadForm = PLAIN_HEAD
    task: TaskName = "classification"
    classes: list[str]
    """What the outputs stand for: the names of classes, of labels, or of numbers."""
    scale: Scale | None = None
    """Of numbers."""
    calibration: Calibration | None = None
    """Of probabilities of classes; None where they are the softmax of the outputs alone."""
    reference: Reference | None = None
    """The file by which answers are judged; None where there is none."""
    preprocessing: Preprocessing
    precision: Literal["fp32", "bf16"]
    sha256: str
