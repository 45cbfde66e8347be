"""Networks that are not the zoo's: modules of one's own, of torchvision, of timm."""

import copy
import math
from collections.abc import Sequence
from typing import Any, get_args

import torch
from torch import nn

from convlens.core.errors import UsageError
from convlens.core.preprocessing import Interpolation, Preprocessing
from convlens.transfer.heads import replace_head
from convlens.zoo import Entry, NetworkCard, is_adopted
from convlens.zoo import adopt as adopt_into_zoo

TIMM = "timm:"
HUB, LOCAL = "hf-hub:", "local-dir:"
"""Before the names of networks that timm builds from the Hugging Face hub, and from a folder; TIMM may precede them."""
GIVEN = "given"
"""The weights that a module came with."""
PRETRAINED = "pretrained"
"""Those that timm downloads for a network of its own."""
_SQUASH = "squash"


def adopt(
    module: nn.Module,
    name: str | None = None,
    *,
    head: str | None = None,
    preprocessing: Preprocessing | None = None,
    size: int | None = None,
) -> str:
    """The name under which `train`, `predict`, `inspect`, `explain` and the others now know a module of one's own.

    `name` has a colon ("module:ResNet" by default). A copy of the module is kept, with its weights. `head` is the
    dotted name of its last layer, by default the linear layer or 1x1 convolution that runs last. `preprocessing` says
    what images it was trained with; by default what timm's modules say of themselves, else that of ImageNet at 224
    pixels. `size` is another side of its input.

    A run that was trained on such a module holds its weights but not its code: call `adopt` with the same name before
    using the run in another process. Raises UsageError for a name without a colon or of timm's, for a head that does
    not exist, and for a module that does not take images of that size.
    """
    name = name or f"module:{type(module).__name__}"
    if ":" not in name:
        raise UsageError(f"the name {name!r} of an adopted module needs a colon, such as 'mine:{name}'.")
    if is_of_timm(name):
        own = f"mine:{name.partition(':')[2]}"
        raise UsageError(f"the name {name!r} means timm's own network of that name. Use another one, such as {own!r}.")
    used = preprocessing or stated_preprocessing(module)
    note = None if preprocessing else input_note(module)
    return adopted_as(name, module, head, used if size is None else used.at(size), input_note=note)


def is_own(name: str) -> bool:
    """Whether that is a module of one's own, which came with its weights."""
    return is_adopted(name) and not is_of_timm(name)


def is_of_timm(name: str) -> bool:
    """Whether that is the name of a network of the timm library, known or not."""
    return name.startswith((TIMM, HUB, LOCAL))


def adopted_as(name: str, module: nn.Module, head: str | None, used: Preprocessing, **facts: Any) -> str:
    """The name under which a copy of the module is known from now on; `facts` are more fields of its card."""
    path = _head(module, head, used.size)
    classes = len(module.get_parameter(f"{path}.weight"))
    original = copy.deepcopy(module)

    def build(number: int) -> nn.Module:
        made = copy.deepcopy(original)
        if number != classes:
            replace_head(made, path, number, seed=0)
        return made

    shape = (3, used.size, used.size)
    known = NetworkCard(
        name=name,
        year=None,
        paper="",
        head=path,
        classes=classes,
        data=None,
        preprocessing=used,
        input_shape=shape,
        **facts,
    )
    adopt_into_zoo(Entry(build, known))
    return name


def _head(module: nn.Module, head: str | None, size: int) -> str:
    layers: list[str] = [path for path, layer in module.named_modules() if can_be_a_head(layer)]
    if head is None and layers:
        return _last_to_run(module, layers, size)
    if head is None or head not in layers:
        known = ", ".join(layers[-3:]) or "none"
        raise UsageError(f"head {head!r}: no linear layer or 1x1 convolution of that name; the last ones are {known}.")
    return head


def _last_to_run(module: nn.Module, layers: Sequence[str], size: int) -> str:
    """The one of the layers that runs last in evaluation mode: the one that was made last may not run at all."""
    if len(layers) == 1:
        return layers[0]
    looked_at, order = copy.deepcopy(module).eval(), list[str]()
    for path in layers:
        looked_at.get_submodule(path).register_forward_hook(lambda *_, path=path: order.append(path))
    try:
        with torch.random.fork_rng(), torch.inference_mode():
            looked_at(torch.zeros(2, 3, size, size))
    except Exception as error:  # somebody's forward may raise anything
        raise UsageError(
            f"{type(module).__name__} does not take two color images of {size} x {size} pixels "
            f"({type(error).__name__}: {error}). Give the size that it takes, such as convlens.adopt(module, size=32)."
        ) from error
    if not order:
        raise UsageError(
            f"none of the linear layers and 1x1 convolutions of {type(module).__name__} is run, so none computes its "
            f"scores: {', '.join(layers[-3:])}. convlens replaces such a last layer; let the module end in one."
        )
    return order[-1]


def can_be_a_head(layer: nn.Module) -> bool:
    """Whether convlens can put another layer in its place."""
    return isinstance(layer, nn.Linear) or (isinstance(layer, nn.Conv2d) and layer.kernel_size == (1, 1))


def stated(module: nn.Module) -> dict[str, Any]:
    """What timm's modules say of themselves."""
    said = getattr(module, "pretrained_cfg", None) or getattr(module, "default_cfg", None) or {}
    return dict(said) if isinstance(said, dict) else {}


def stated_preprocessing(module: nn.Module) -> Preprocessing:
    """What timm's modules say of their input, as far as convlens has it; ImageNet's at 224 pixels for all others."""
    said = stated(module)
    if not said:
        return Preprocessing()
    size = int(said.get("input_size", (3, 224, 224))[-1])
    defaults = Preprocessing()
    told = said.get("interpolation")
    return Preprocessing(
        size=size,
        resize=math.floor(size / float(said.get("crop_pct") or 0.875)),
        interpolation=told if told in get_args(Interpolation) else defaults.interpolation,
        squash=said.get("crop_mode") == _SQUASH,
        mean=said.get("mean", defaults.mean),
        std=said.get("std", defaults.std),
    )


def input_note(module: nn.Module) -> str | None:
    """What timm's modules say of their input and convlens does otherwise; None where it takes all of it."""
    said, used = stated(module), stated_preprocessing(module)
    crop, interpolation = said.get("crop_mode") or "center", said.get("interpolation") or used.interpolation
    unlike = []
    if crop not in ("center", _SQUASH):
        unlike.append(f"fitted by crop_mode {crop!r}, while convlens crops the center")
    if interpolation != used.interpolation:
        unlike.append(f"resized by {interpolation} interpolation, while convlens uses {used.interpolation}")
    return " and ".join(unlike) or None
