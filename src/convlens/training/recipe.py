"""The recipe: everything that changes the outcome of a run."""

import tomllib
from collections.abc import Mapping
from typing import Literal, Self

import tomli_w
from pydantic import ConfigDict, ValidationError

from convlens.core.bundle import HeadForm
from convlens.core.errors import UsageError, unknown_name
from convlens.core.preprocessing import Fit
from convlens.core.records import Record, former_names
from convlens.core.settings import setting as named
from convlens.core.task import AskedTask, first_task_name
from convlens.core.validation import fault_of
from convlens.training.setting import Effect, Panel, setting, settings_of

LEAST_SIZE, MOST_SIZE = 16, 2048
"""Of the network's input, in pixels a side."""
NETWORK: Panel = "Network"
OPTIMIZATION: Panel = "Optimization"
AUGMENTATION: Panel = "Augmentation and regularization"
DATA: Panel = "Labels and splits"
MACHINE: Panel = "Machine"

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
_LATER_FIELDS = frozenset({"pooling", "file_column", "predefined_split", "fit", "stem", "calibrate"})
"""Fields that recipes of convlens 0.1.0 do not have: their defaults are what was done then."""


class Recipe(Record):
    """A frozen record; two runs with equal recipes on equal images and weights give equal results.

    Each field is written once, here: the options of `convlens train` and `convlens compare`, the comments of a
    recipe.toml, the JSON schema and docs/options.md are derived from it (see `setting`).
    """

    model_config = ConfigDict(allow_inf_nan=False)
    _former = former_names(**FORMER_NAMES)

    backbone: str = setting(
        "efficientnet_lite0",
        "Network: a name from `convlens zoo`, such as efficientnet_lite0 or resnet18, or a timm model as timm:NAME, "
        "hf-hub:OWNER/NAME or local-dir:FOLDER.",
        NETWORK,
        "features",
        "examples",
        metavar="NET",
        common=True,
    )
    weights: str = setting(
        "imagenet",
        "Weights to start from: a published set (imagenet), pretrained (for timm:NAME), package (of house, the small "
        "network that comes with convlens), random, or a file of PyTorch, Keras or Caffe. Default: the network's "
        "pretrained weights.",
        NETWORK,
        "features",
        "examples",
        metavar="SET|FILE",
        initial=None,
        common=True,
    )
    stem: Literal["fold", "refuse"] = setting(
        "fold",
        "If the first layer of a weights file takes one channel where the network takes three, or the reverse: fold "
        "(its filters are spread or added up, which changes no answer to gray images) or refuse the file.",
        NETWORK,
        "examples",
        metavar="HOW",
    )
    freeze: str = setting(
        "backbone",
        "Layers to freeze: backbone (all but a new last layer), conv (the convolutional layers, while all fully "
        "connected ones are trained), a module's name as `convlens inspect` shows it (everything up to and including "
        "it), or none.",
        NETWORK,
        "features",
        "examples",
        metavar="PLAN",
        common=True,
    )
    unfreeze: int = setting(
        0,
        "With `freeze=backbone`: also train the last N blocks before the new last layer, such as residual blocks; in a "
        "plain network a block is one layer.",
        NETWORK,
        "features",
        "examples",
        ge=0,
        le=100_000,
    )
    head: Literal["linear", "hidden", "own", "ridge", "logistic"] = setting(
        "linear",
        "Head to train: linear, hidden (with one hidden layer), own (the network's own fully connected layers), or "
        "ridge or logistic (linear, fitted by a solver, which takes no epochs and no learning rate).",
        NETWORK,
        "features",
        "examples",
        metavar="HEAD",
    )
    head_width: int = setting(256, "With `head=hidden`: number of hidden units.", NETWORK, "examples", ge=1, le=65_536)
    batch_norm: bool = setting(False, "Use batch normalization in the head.", NETWORK, "examples")
    pooling: Literal["own", "token", "mean", "both"] = setting(
        "own",
        "Pooling of a timm vision transformer: own (the model's default), token (the class token), mean (of the patch "
        "tokens) or both.",
        NETWORK,
        "features",
        "examples",
        metavar="KIND",
    )
    size: int = setting(
        224,
        "Input size in pixels per side. Default: the network's own.",
        NETWORK,
        "features",
        "examples",
        metavar="PIXELS",
        initial=None,
        common=True,
        ge=LEAST_SIZE,
        le=MOST_SIZE,
    )
    fit: Fit = setting(
        "crop",
        "How to make images square: crop (their center, as the weights were trained), letterbox (all of it, with "
        "bars) or squash (all of it, distorted).",
        NETWORK,
        "features",
        "examples",
        metavar="HOW",
        common=True,
    )
    epochs: int = setting(
        20,
        "Number of passes over the training images.",
        OPTIMIZATION,
        "features",  # of progressive resizing, which follows from it
        "examples",
        common=True,
        ge=1,
        le=100_000,
    )
    batch_size: int = setting(32, "Images per step.", OPTIMIZATION, "examples", ge=1, le=65_536)
    learning_rate: float = setting(
        0.01,
        "Peak learning rate; lower it for adam and adamw, such as to 0.001.",
        OPTIMIZATION,
        "head",
        metavar="LR",
        common=True,
        gt=0,
        le=1000,
    )
    optimizer: Literal["sgd", "adam", "adamw"] = setting("sgd", "Optimization algorithm.", OPTIMIZATION, "head")
    schedule: Literal["cosine", "step", "constant"] = setting(
        "cosine",
        "Learning-rate schedule: cosine (decay to 0), step (divide by ten after half and three quarters) or constant.",
        OPTIMIZATION,
        "head",
    )
    warm_up: float = setting(
        0.0,
        "Epochs over which the learning rate rises linearly from 0 (0: off).",
        OPTIMIZATION,
        "head",
        metavar="EPOCHS",
        ge=0,
        le=100_000,
    )
    momentum: float = setting(0.9, "Momentum of SGD.", OPTIMIZATION, "head", ge=0, lt=1)
    nesterov: bool = setting(False, "Use Nesterov momentum.", OPTIMIZATION, "head")
    backbone_lr: float = setting(
        0.1,
        "Learning rate of unfrozen pretrained layers, relative to the head's.",
        OPTIMIZATION,
        "examples",
        metavar="FACTOR",
        ge=0,
        le=100,
    )
    layer_decay: float = setting(
        0.0,
        "Multiply the learning rate by this factor for every block below the head, instead of `backbone_lr` (0: off).",
        OPTIMIZATION,
        "examples",
        metavar="FACTOR",
        ge=0,
        le=1,
    )
    head_epochs: int = setting(
        0,
        "Train only the new head for the first N epochs.",
        OPTIMIZATION,
        "examples",
        ge=0,
        le=100_000,
    )
    clip: float = setting(
        0.0, "Clip the gradient norm to this value (0: off).", OPTIMIZATION, "head", metavar="NORM", ge=0, le=1_000_000
    )
    ema: float = setting(
        0.0,
        "Evaluate and keep an exponential moving average of the weights with this decay, such as 0.999 (0: off).",
        OPTIMIZATION,
        "head",
        metavar="DECAY",
        ge=0,
        lt=1,
    )
    calibrate: Literal["auto", "on", "off"] = setting(
        "auto",
        "After training, calibrate probabilities and learn to tell foreign images: on predictions of training images "
        "by networks that were trained without them, up to five (on, off, or auto: where only the head is trained and "
        "there are 50 training images).",
        OPTIMIZATION,
        "head",
        metavar="WHEN",
    )
    weight_decay: float = setting(
        1e-4, "Weight decay; biases and normalization parameters are exempt.", AUGMENTATION, "head", ge=0, le=1000
    )
    dropout: float = setting(
        0.0, "Dropout probability before the last layer (0: off).", AUGMENTATION, "examples", metavar="P", ge=0, lt=1
    )
    early_stopping: int = setting(
        0,
        "Stop after N epochs without a lower validation loss and keep the best epoch's weights (0: off).",
        AUGMENTATION,
        "head",
        ge=0,
        le=100_000,
    )
    class_weights: bool = setting(
        False, "Weight the loss so that rare classes count as much as frequent ones.", AUGMENTATION, "head"
    )
    label_smoothing: float = setting(
        0.0, "Fraction of each label to spread over all classes (0: off).", AUGMENTATION, "head", ge=0, lt=1
    )
    mixup: float = setting(
        0.0,
        "Blend pairs of examples, with weights drawn from Beta(X, X) (0: off).",
        AUGMENTATION,
        "examples",
        ge=0,
        le=1000,
    )
    cutmix: float = setting(
        0.0,
        "With `freeze=none`: paste a patch of one image into another, with its area drawn from Beta(X, X) (0: off).",
        AUGMENTATION,
        "examples",
        ge=0,
        le=1000,
    )
    augmented_copies: int = setting(
        0,
        "With frozen layers: how many augmented copies of each training image to add to the training set.",
        AUGMENTATION,
        "examples",
        ge=0,
        le=64,
    )
    augment: bool = setting(
        True, "With `freeze=none`: augment with random crops, flips and color changes.", AUGMENTATION, "examples"
    )
    progressive_resizing: float = setting(
        1.0,
        "With `freeze=none`: start at this fraction of the image size, such as 0.5, and grow to the full size, which "
        "trains faster (1: off).",
        AUGMENTATION,
        "features",
        "examples",
        metavar="FRACTION",
        ge=0.25,
        le=1,
    )
    crop_area: float = setting(
        0.35,
        "With augmentation: the least fraction of an image's area that a random crop keeps.",
        AUGMENTATION,
        "examples",
        metavar="FRACTION",
        gt=0,
        le=1,
    )
    color: float = setting(
        0.2,
        "With augmentation: the largest relative change of brightness, contrast and saturation.",
        AUGMENTATION,
        "examples",
        ge=0,
        lt=1,
    )
    erasing: float = setting(
        0.0,
        "With augmentation: probability of erasing a random rectangle (0: off).",
        AUGMENTATION,
        "examples",
        metavar="P",
        ge=0,
        le=1,
    )
    val_fraction: float = setting(
        0.2,
        "Fraction to hold out for validation, of each class alike, where the data has no split of its own.",
        DATA,
        "split",
        metavar="FRACTION",
        common=True,
        gt=0,
        lt=1,
    )
    labels: str = setting(
        "",
        "Table with the columns file and label, and optionally split (train, val or test); or with several columns of "
        "labels or numbers. CSV, TSV or JSON lines; Excel or Parquet with convlens[tables]. Default: the folder names "
        "are the labels.",
        DATA,
        "split",
        metavar="CSV",
        common=True,
    )
    file_column: str = setting(
        "",
        "Column of the table that names the files. Default: the one called file, image, id and the like, or the only "
        "one whose cells are files of the folder.",
        DATA,
        "split",
        "examples",
        metavar="COLUMN",
        common=True,
    )
    task: AskedTask = setting(
        "auto",
        "Task, which determines the loss: classification (one class per image), multilabel (several labels), "
        "regression (numbers), or auto (detected from the table).",
        DATA,
        "split",
        "examples",
        metavar="TASK",
        common=True,
    )
    label_columns: str = setting(
        "",
        "Columns of the table to predict. Default: all that hold labels.",
        DATA,
        "split",
        "examples",
        metavar="A,B,...",
        common=True,
    )
    nested: bool = setting(
        False, "Treat every folder that holds images as a class, named by its path.", DATA, "split", common=True
    )
    predefined_split: bool = setting(
        True,
        "Use the split that the data has: folders such as train and val, or a column of the table such as split or "
        "is_valid. Otherwise all images are pooled and split anew.",
        DATA,
        "split",
        common=True,
    )
    group_by: str = setting(
        "",
        "Keep images of one group, such as the frames of a video, together in training or in validation: a column of "
        "the table, or a regular expression whose first group, or whole match, in the file's path names the group.",
        DATA,
        "split",
        metavar="REGEX|COLUMN",
        common=True,
    )
    split: str = setting("", "Take the split from a run's split.csv.", DATA, "split", metavar="FILE", common=True)
    fold: str = setting(
        "",
        "Validate on fold K of N, from 1 to N, such as 2/5, instead of `val_fraction`.",
        DATA,
        "split",
        metavar="K/N",
        pattern=r"^(\d{1,6}/\d{1,6})?$",
    )
    precision: Literal["auto", "fp32", "bf16"] = setting(
        "fp32",
        "Numeric precision of frozen layers and predictions; auto takes the faster one on this machine.",
        MACHINE,
        "features",
        "examples",
        initial="auto",
        common=True,
    )
    training_precision: Literal["auto", "fp32", "bf16"] = setting(
        "auto", "Numeric precision of the trained layers; auto follows `precision`.", MACHINE, "examples"
    )
    device: Literal["cpu", "cuda"] = setting(
        "cpu", "Device; auto uses a GPU if there is one.", MACHINE, "features", "examples", initial="auto"
    )
    seed: int = setting(
        0,
        "Seed of the split, new weights, order and augmentation: on a processor the same seed gives the same run.",
        MACHINE,
        "features",  # of random weights
        "split",
        "examples",
        common=True,
        ge=0,
        lt=2**63,
    )

    @classmethod
    def of(cls, **values: object) -> Self:
        """The recipe with these values.

        Raises UsageError with the first value that is out of range, or for a name that is no field's.
        """
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            name = str(first["loc"][0])
            if name not in SETTINGS:
                raise unknown_name("field of the recipe", name, SETTINGS) from error
            raise UsageError(f"{named(name, first['input'])} {fault_of(first, SETTINGS[name].metavar)}.") from error

    @property
    def head_form(self) -> HeadForm:
        """The layers of the head."""
        return HeadForm(
            hidden=self.head_width if self.head == "hidden" else 0, dropout=self.dropout, batch_norm=self.batch_norm
        )

    def identity(self) -> dict[str, object]:
        """What identifies the recipe in the key of a checkpoint: fields, and tasks, by their first names.

        Fields that were added later are left out at their defaults.
        """
        first_names = {name: former for former, name in FORMER_NAMES.items()}
        later = {name for name in _LATER_FIELDS if getattr(self, name) == SETTINGS[name].default}
        values = {**self.model_dump(exclude=later), "task": first_task_name(self.task)}
        return {first_names.get(name, name): value for name, value in values.items()}

    def to_toml(self) -> str:
        """The recipe as TOML, each field below a comment that explains it."""
        return "\n".join(
            f"# {SETTINGS[name].help}\n{tomli_w.dumps({name: value})}" for name, value in self.model_dump().items()
        )

    @classmethod
    def from_toml(cls, text: str) -> Self:
        """The recipe that TOML text holds."""
        return cls.of(**tomllib.loads(text))


SETTINGS = settings_of(Recipe.model_fields)
"""What the fields say of themselves, by name, in the order in which they are shown."""


def affecting(*effects: Effect) -> list[str]:
    """Names of the fields that have one of these effects."""
    return [name for name, one in SETTINGS.items() if one.affects & set(effects)]


def affecting_only(effect: Effect) -> list[str]:
    """Names of the fields that have this effect and no other."""
    return [name for name, one in SETTINGS.items() if one.affects == {effect}]


def with_present_names(values: Mapping[str, object]) -> dict[str, object]:
    """Values by the names that fields have now. Raises UsageError where one is given by both of its names."""
    for former, name in FORMER_NAMES.items():
        if former in values and name in values:
            raise UsageError(f"{named(former)} is the former name of {named(name)}; give {named(name)} alone.")
    return {FORMER_NAMES.get(name, name): value for name, value in values.items()}
