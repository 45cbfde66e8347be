"""Translation: from layers of Keras or Caffe to the state of a network of the zoo.

Both frameworks' networks read images in the order blue, green, red, as 0..255 less the mean pixel, without scaling.
Ours read red, green, blue, so the first kernel's channels are turned, and the mean pixel becomes the preprocessing's.

Keras keeps kernels as (height, width, in, out) and flattens maps place by place, torch channel by channel. Biases
before a batch normalization go into its mean, and another epsilon than torch's 1e-5 into its variance; both are exact.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from torch import Tensor

from convlens.core.errors import DataError
from convlens.core.preprocessing import Preprocessing
from convlens.core.settings import setting
from convlens.zoo.card import NetworkCard
from convlens.zoo.file_format import TITLES, Format, format_of
from convlens.zoo.foreign.caffe import read_caffe
from convlens.zoo.foreign.keras import read_keras
from convlens.zoo.foreign.layer import Layer
from convlens.zoo.match import State

_READERS: Mapping[Format, Callable[[Path], list[Layer]]] = {"keras": read_keras, "caffe": read_caffe}
MEAN_PIXEL = (123.68, 116.779, 103.939)
"""Red, green and blue: of the images of ImageNet, as the VGG of 2014 was trained with them and all others after it."""
_EPSILON = 1e-5
_KERAS_EPSILON, _OLD_KERAS_EPSILON = 1.001e-5, 1e-3
"""Of the batch normalizations in keras.applications, and before 2019, when layers were called res2a_branch2a."""
_CONVOLUTION = re.compile(r"(?:block)?\D*(\d+)_(?:conv)?(\d+)")
_FIRST, _OLD_FIRST = ("conv1_conv", "conv1_bn"), ("conv1", "bn_conv1", "scale_conv1")
_BLOCK = re.compile(r"conv(?P<stage>\d)_block(?P<block>\d+)_(?P<part>\d)_(?:conv|bn)")
_OLD_BLOCK = re.compile(r"(?:res|bn|scale)(?P<stage>\d)(?P<letter>[a-z])(?P<block>\d*)_branch(?P<part>1|2[abc])")
_PARTS = {"1": 0, "2a": 1, "2b": 2, "2c": 3}


def is_foreign(path: Path) -> bool:
    """Whether there is a file of such weights."""
    return path.is_file() and format_of(path) in TITLES


def preprocessing_of_foreign(card: NetworkCard) -> Preprocessing:
    """What a network is fed with such weights: its own resizing, less the mean pixel, in units of 0..255."""
    red, green, blue = (value / 255 for value in MEAN_PIXEL)
    return card.preprocessing.model_copy(update={"mean": (red, green, blue), "std": (1 / 255,) * 3})


def translated(path: Path, framework: Format, card: NetworkCard, expected: State) -> dict[str, Tensor]:
    """The state of a network, `expected` by names and shapes, from a file of that framework.

    Raises as the readers do, and DataError where the network is none of those that are translated, or the file is of
    another one.
    """
    rule = next((rule for pattern, rule in _RULES if re.fullmatch(pattern, card.name)), None)
    if rule is None:
        title = TITLES[framework]
        paper = f"{card.name}_v1"
        other = f" Those of its ResNets fit {paper}: try {setting('backbone', paper)}." if paper in _KNOWN else ""
        raise DataError(
            f"{path} is a file of {title}, and such weights are converted for {', '.join(_KNOWN)}, not for {card.name}."
            f"{other or ' Ask for the state dict of a PyTorch network, or name one of these.'}"
        )
    layers = {layer.name: layer.arrays for layer in _READERS[framework](path)}
    state = rule(layers, framework, expected)
    first = next((name for name, tensor in state.items() if tensor.ndim == 4), None)
    if first is None:
        named = ", ".join(list(layers)[:3])
        raise DataError(f"{path} is not of {card.name}: its layers are called {named}. Name the network that it is of.")
    return state | {first: state[first].flip(1)}


_Layers = Mapping[str, Sequence[Tensor]]


def _vgg(layers: _Layers, framework: Format, expected: State) -> dict[str, Tensor]:
    """Convolutions and fully connected layers in order, those of the file under those of the network."""
    kernels = {name: arrays for name, arrays in layers.items() if len(arrays) == 2}
    convolutions = sorted((name for name in kernels if kernels[name][0].ndim == 4), key=_place)
    linear = [name for name in kernels if kernels[name][0].ndim == 2]
    state: dict[str, Tensor] = {}
    for ours, theirs in zip(_modules(expected, "features"), convolutions, strict=False):
        state |= _named(ours, _kernel(kernels[theirs][0], framework), kernels[theirs][1])
    for ours, theirs in zip(_modules(expected, "classifier"), sorted(linear, key=_rank), strict=False):
        weight = kernels[theirs][0].T if framework == "keras" else kernels[theirs][0]
        if framework == "keras" and ours == "classifier.0":
            weight = _by_channel(weight, channels=len(kernels[convolutions[-1]][1]))
        state |= _named(ours, weight.contiguous(), kernels[theirs][1])
    return state


def _place(name: str) -> tuple[int, int]:
    found = _CONVOLUTION.search(name)
    return (int(found[1]), int(found[2])) if found else (99, 0)


def _rank(name: str) -> tuple[bool, int]:
    """fc1, fc2, predictions of Keras; fc6, fc7, fc8 of Caffe."""
    number = re.search(r"\d+", name)
    return number is None, int(number[0]) if number else 0


def _modules(expected: State, part: str) -> list[str]:
    return [name.removesuffix(".weight") for name in expected if name.startswith(part) and name.endswith(".weight")]


def _by_channel(weight: Tensor, channels: int) -> Tensor:
    """Rows over maps that were flattened place by place, for maps that are flattened channel by channel."""
    rows = weight.reshape(len(weight), -1, channels)
    return rows.transpose(1, 2).reshape(len(weight), -1)


def _resnet(layers: _Layers, framework: Format, expected: State) -> dict[str, Tensor]:
    """Layers by their names; `expected` has the names of torchvision."""
    convolutions: dict[str, Sequence[Tensor]] = {}
    norms: dict[str, dict[str, Tensor]] = {}
    state: dict[str, Tensor] = {}
    for name, arrays in layers.items():
        if (place := _resnet_place(name)) is None:
            if arrays[0].ndim == 2:
                state |= _named("fc", arrays[0].T.contiguous() if framework == "keras" else arrays[0], arrays[1])
        elif arrays[0].ndim == 4:
            convolutions[place] = arrays
        else:
            norms.setdefault(place, {}).update(_norm(name, arrays, framework))
    for place, (weight, *bias) in convolutions.items():
        norm = re.sub(r"conv(\d)$", r"bn\1", place).replace("downsample.0", "downsample.1")
        state[f"{place}.weight"] = _kernel(weight, framework)
        state |= {f"{norm}.{name}": tensor for name, tensor in norms.get(place, {}).items()}
        if bias and place in norms:
            state[f"{norm}.running_mean"] = norms[place]["running_mean"] - bias[0]
    return {name: state[name] for name in expected if name in state} | state


def _norm(name: str, arrays: Sequence[Tensor], framework: Format) -> dict[str, Tensor]:
    """What a layer has of a batch normalization with torch's epsilon: Caffe's two layers have two tensors each."""
    if framework == "keras":
        scale, shift, mean, variance = arrays
        epsilon = _KERAS_EPSILON if name.startswith("conv") else _OLD_KERAS_EPSILON
        moments = {"running_mean": mean, "running_var": variance + (epsilon - _EPSILON)}
        return {"weight": scale, "bias": shift, **moments}
    if name.startswith("scale"):
        scale, shift = arrays
        return {"weight": scale, "bias": shift}
    mean, variance, factor = arrays
    return {"running_mean": mean / factor, "running_var": variance / factor}


def _resnet_place(name: str) -> str | None:
    """Our name of a convolution, from its own name or that of its normalization."""
    if name in (*_FIRST, *_OLD_FIRST):
        return "conv1"
    if found := _BLOCK.fullmatch(name):
        block, part = int(found["block"]) - 1, int(found["part"])
    elif found := _OLD_BLOCK.fullmatch(name):
        block = int(found["block"]) if found["block"] else ord(found["letter"]) - ord("a")
        part = _PARTS[found["part"]]
    else:
        return None
    return f"layer{int(found['stage']) - 1}.{block}." + ("downsample.0" if part == 0 else f"conv{part}")


def _kernel(weight: Tensor, framework: Format) -> Tensor:
    return weight.permute(3, 2, 0, 1).contiguous() if framework == "keras" else weight


def _named(module: str, weight: Tensor, bias: Tensor) -> dict[str, Tensor]:
    return {f"{module}.weight": weight, f"{module}.bias": bias}


_RULES: tuple[tuple[str, Callable[[_Layers, Format, State], dict[str, Tensor]]], ...] = (
    (r"vgg(16|19)", _vgg),
    (r"resnet(50|101|152)_v1", _resnet),
)
_KNOWN = ("vgg16", "vgg19", "resnet50_v1", "resnet101_v1", "resnet152_v1")
