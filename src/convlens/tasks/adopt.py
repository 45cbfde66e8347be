"""Networks that are not the zoo's: modules of one's own, of torchvision, of timm."""

import copy
from pathlib import Path
from typing import Any

from torch import nn

from convlens.core.errors import MachineError, UsageError
from convlens.core.preprocessing import Preprocessing
from convlens.transfer.heads import replace_head
from convlens.zoo import Entry, NetworkCard, is_adopted
from convlens.zoo import adopt as adopt_into_zoo

TIMM = "timm:"
GIVEN = "given"
"""The weights that a module came with."""
PRETRAINED = "pretrained"
"""Those that timm downloads for a network of its own."""


def adopt(
    module: nn.Module, name: str | None = None, *, head: str | None = None, preprocessing: Preprocessing | None = None
) -> str:
    """The name under which `train`, `predict`, `inspect`, `explain` and the others now know a module of one's own.

    `name` has a colon ("module:ResNet" by default). A copy of the module is kept, with its weights. `head` is the
    dotted name of its last layer, by default the last linear layer or 1x1 convolution. `preprocessing` says what
    pictures it was trained with; by default what timm's modules say of themselves, else that of ImageNet at 224 pixels.

    A run that was trained on such a module holds its weights but not its code: call `adopt` with the same name before
    using the run in another process. Raises UsageError for a name without a colon, and a head that does not exist.
    """
    name = name or f"module:{type(module).__name__}"
    if ":" not in name:
        raise UsageError(f"the name {name!r} of an adopted module needs a colon, such as 'mine:{name}'.")
    path = _head(module, head)
    classes = len(module.get_parameter(f"{path}.weight"))
    original = copy.deepcopy(module)

    def build(number: int) -> nn.Module:
        made = copy.deepcopy(original)
        if number != classes:
            replace_head(made, path, number, seed=0)
        return made

    used = preprocessing or _stated_preprocessing(module)
    shape = (3, used.size, used.size)
    card = NetworkCard(
        name=name, year=None, paper="", head=path, classes=classes, data=None, preprocessing=used, input_shape=shape
    )
    adopt_into_zoo(Entry(build, card))
    return name


def make_known(name: str, weights: str | Path | None = None) -> None:
    """Adopt the network "timm:NAME" from the timm library, unless that has happened; other names are left alone.

    With `weights` "pretrained" timm downloads its own weights for it. Raises MachineError where timm cannot be
    imported, UsageError for a name that timm does not have.
    """
    if not name.startswith(TIMM) or (is_adopted(name) and weights != PRETRAINED):
        return
    try:
        import timm
    except ImportError as error:
        raise MachineError(
            f"{name} needs the library timm, which cannot be imported here ({error}). Install it: "
            "pip install 'convlens[timm]'."
        ) from error
    try:
        module = timm.create_model(name.removeprefix(TIMM), pretrained=weights == PRETRAINED)
    except RuntimeError as error:
        raise UsageError(
            f"timm has no network {name.removeprefix(TIMM)!r} ({error}). See timm.list_models()."
        ) from error
    adopt(module, name, head=_stated(module).get("classifier"))


def _head(module: nn.Module, head: str | None) -> str:
    layers: list[str] = [path for path, layer in module.named_modules() if _can_be_a_head(layer)]
    if head is None and layers:
        return layers[-1]
    if head is None or head not in layers:
        known = ", ".join(layers[-3:]) or "none"
        raise UsageError(f"head {head!r}: no linear layer or 1x1 convolution of that name; the last ones are {known}.")
    return head


def _can_be_a_head(layer: nn.Module) -> bool:
    return isinstance(layer, nn.Linear) or (isinstance(layer, nn.Conv2d) and layer.kernel_size == (1, 1))


def _stated(module: nn.Module) -> dict[str, Any]:
    """What timm's modules say of themselves."""
    stated = getattr(module, "pretrained_cfg", None) or getattr(module, "default_cfg", None) or {}
    return dict(stated) if isinstance(stated, dict) else {}


def _stated_preprocessing(module: nn.Module) -> Preprocessing:
    stated = _stated(module)
    if not stated:
        return Preprocessing()
    size = int(stated.get("input_size", (3, 224, 224))[-1])
    interpolation = "bicubic" if stated.get("interpolation") == "bicubic" else "bilinear"
    defaults = Preprocessing()
    return Preprocessing(
        size=size,
        resize=round(size / float(stated.get("crop_pct") or 0.875)),
        interpolation=interpolation,
        mean=stated.get("mean", defaults.mean),
        std=stated.get("std", defaults.std),
    )
