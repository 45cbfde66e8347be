"""The recipe: everything that changes the outcome of a run."""

import tomllib
from typing import Literal, Self

import tomli_w
from pydantic import ConfigDict, Field, ValidationError

from convlens.core.bundle import HeadForm
from convlens.core.errors import UsageError
from convlens.core.records import Record, former_names
from convlens.core.task import AskedTask, first_task_name

LEAST_SIZE, MOST_SIZE = 16, 2048
"""Of the network's input, in pixels a side."""


FORMER_NAMES = {
    "reopen": "unfreeze",
    "reopened_lr": "backbone_lr",
    "depth_lr": "layer_decay",
    "views": "augmented_copies",
    "progressive": "progressive_resizing",
    "colour": "color",
    "learn": "task",
}
"""Fields as recipes of convlens 0.1.0 call them, and as they are called now."""


class Recipe(Record):
    """A frozen record; two runs with equal recipes on equal images and weights give equal results."""

    model_config = ConfigDict(allow_inf_nan=False)
    _former = former_names(**FORMER_NAMES)

    backbone: str = "house"
    weights: str = "package"
    freeze: str = "backbone"
    unfreeze: int = Field(default=0, ge=0, le=100_000)
    """The last blocks before the head that are trained, too, where `freeze` is "backbone"."""
    backbone_lr: float = Field(default=0.1, ge=0, le=100)
    """Learning rate of pretrained layers that are trained, as a part of the new head's."""
    layer_decay: float = Field(default=0.0, ge=0, le=1)
    """In place of `backbone_lr`: one such factor for every block between a layer and the head. 0 for no."""
    head_epochs: int = Field(default=0, ge=0, le=100_000)
    """Epochs in which the new head is trained alone, before all others."""
    head: Literal["linear", "hidden", "own", "ridge", "logistic"] = "linear"
    head_width: int = Field(default=256, ge=1, le=65_536)
    """Units of the hidden layer."""
    dropout: float = Field(default=0.0, ge=0, lt=1)
    """Of what the head's last layer reads."""
    batch_norm: bool = False
    """In the head: of its hidden layer, or else of what its linear layer reads."""
    size: int = Field(default=64, ge=LEAST_SIZE, le=MOST_SIZE)
    epochs: int = Field(default=20, ge=1, le=100_000)
    batch_size: int = Field(default=32, ge=1, le=65_536)
    learning_rate: float = Field(default=0.01, gt=0, le=1000)
    optimizer: Literal["sgd", "adam", "adamw"] = "sgd"
    schedule: Literal["cosine", "step", "constant"] = "cosine"
    warm_up: float = Field(default=0.0, ge=0, le=100_000)
    """Epochs in which the learning rate rises from 0, before the schedule begins."""
    momentum: float = Field(default=0.9, ge=0, lt=1)
    nesterov: bool = False
    weight_decay: float = Field(default=1e-4, ge=0, le=1000)
    """Of matrices and filters; biases and normalization parameters do not decay."""
    clip: float = Field(default=0.0, ge=0, le=1e6)
    """The most that the gradient's norm may be; a longer one is shortened. 0 for no limit."""
    ema: float = Field(default=0.0, ge=0, lt=1)
    """Decay of the average of the weights, which is judged and kept then; 0 to keep the last weights."""
    early_stopping: int = Field(default=0, ge=0, le=100_000)
    """Epochs without a lower validation loss that end the training, with the weights of the best one. 0 for no."""
    class_weights: bool = False
    """Whether a rare class counts as much as a frequent one."""
    label_smoothing: float = Field(default=0.0, ge=0, lt=1)
    mixup: float = Field(default=0.0, ge=0, le=1000)
    cutmix: float = Field(default=0.0, ge=0, le=1000)
    augmented_copies: int = Field(default=0, ge=0, le=64)
    """Augmented views of each training image whose features are kept, too, where a part of the network is frozen."""
    augment: bool = True
    """Fresh random crops, flips and colors every epoch; used where no part of the network is frozen."""
    progressive_resizing: float = Field(default=1.0, ge=0.25, le=1)
    """The part of its side at which a training image begins; it grows to the whole over the epochs. 1 to not grow."""
    crop_area: float = Field(default=0.35, gt=0, le=1)
    """The least part of an image's area that a random crop keeps."""
    color: float = Field(default=0.2, ge=0, lt=1)
    """The most by which brightness, contrast and saturation are changed."""
    erasing: float = Field(default=0.0, ge=0, le=1)
    """The probability that a rectangle of an image is erased."""
    val_fraction: float = Field(default=0.2, gt=0, lt=1)
    """Part of each class that is judged, where the folder has no val/."""
    labels: str = ""
    """A CSV file that says the label of each image; "" where folders say it."""
    task: AskedTask = "auto"
    """What the columns of `labels` hold; "auto" to find out."""
    label_columns: str = ""
    """The columns of `labels` that are learned, with commas between them; "" to find out."""
    nested: bool = False
    """Whether every folder that holds images is a class, named by its path."""
    group_by: str = ""
    """A column of `labels`, or a regular expression on file names: images of one group stand on one side."""
    split: str = ""
    """A split.csv whose sides are taken."""
    fold: str = Field(default="", pattern=r"^(\d{1,6}/\d{1,6})?$")
    """Which of how many folds is judged ("2/5"), in place of `val_fraction`."""
    precision: Literal["auto", "fp32", "bf16"] = "fp32"
    """Number format of the frozen part and of predictions; "auto" is settled before the work begins."""
    training_precision: Literal["auto", "fp32", "bf16"] = "auto"
    """Number format of the convolutions that are trained; "auto" is `precision`, unless that is "auto", too."""
    device: Literal["cpu", "cuda"] = "cpu"
    seed: int = Field(default=0, ge=0, lt=2**63)

    @classmethod
    def of(cls, **values: object) -> Self:
        """The recipe with these values; raises UsageError with the first one that is out of range."""
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            option = "--" + str(first["loc"][0]).replace("_", "-")
            raise UsageError(f"{option} {first['input']}: {first['msg']}.") from error

    @property
    def head_form(self) -> HeadForm:
        """The layers of the head."""
        return HeadForm(
            hidden=self.head_width if self.head == "hidden" else 0, dropout=self.dropout, batch_norm=self.batch_norm
        )

    def identity(self) -> dict[str, object]:
        """What identifies the recipe in the key of a checkpoint: fields, and tasks, by their first names."""
        first_names = {name: former for former, name in FORMER_NAMES.items()}
        values = {**self.model_dump(), "task": first_task_name(self.task)}
        return {first_names.get(name, name): value for name, value in values.items()}

    def to_toml(self) -> str:
        """The recipe as TOML."""
        return tomli_w.dumps(self.model_dump())

    @classmethod
    def from_toml(cls, text: str) -> Self:
        """The recipe that TOML text holds."""
        return cls.of(**tomllib.loads(text))
