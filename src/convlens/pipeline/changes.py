"""The settings of the recipe as keywords, for the completion of editors and for type checkers."""

from pathlib import Path
from typing import Literal, TypedDict

from torch import nn

from convlens.core.preprocessing import Fit
from convlens.core.task import AskedTask


class RecipeChanges(TypedDict, total=False):
    """What may be given instead of a field of the recipe; a test holds the names and types to those of Recipe.

    Some fields take more than the recipe stores: a module as the backbone, a path, None or "auto" to derive the value.
    """

    backbone: str | nn.Module
    weights: str | Path | None
    stem: Literal["fold", "refuse"]
    freeze: str
    unfreeze: int
    head: Literal["linear", "hidden", "own", "ridge", "logistic"]
    head_width: int
    batch_norm: bool
    pooling: Literal["own", "token", "mean", "both"]
    size: int | None
    fit: Fit
    epochs: int
    batch_size: int
    learning_rate: float
    optimizer: Literal["sgd", "adam", "adamw"]
    schedule: Literal["cosine", "step", "constant"]
    warm_up: float
    momentum: float
    nesterov: bool
    backbone_lr: float
    layer_decay: float
    head_epochs: int
    clip: float
    ema: float
    calibrate: Literal["auto", "on", "off"]
    weight_decay: float
    dropout: float
    early_stopping: int
    class_weights: bool
    label_smoothing: float
    mixup: float
    cutmix: float
    augmented_copies: int
    augment: bool
    progressive_resizing: float
    crop_area: float
    color: float
    erasing: float
    val_fraction: float
    labels: str | Path
    file_column: str
    task: AskedTask
    label_columns: str
    nested: bool
    predefined_split: bool
    group_by: str
    split: str | Path
    fold: str
    precision: Literal["auto", "fp32", "bf16"]
    training_precision: Literal["auto", "fp32", "bf16"]
    device: Literal["auto", "cpu", "cuda"]
    seed: int
