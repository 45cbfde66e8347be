"""Files of weights as people bring them, each with the words of a training that begins with them.

Prefixes, wrappers, heads and stems are modeled on public checkpoints and on reports of files that did not load.
"""

import argparse
import io
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tools.odd_input import OddInput, classes, train
from torch import Tensor, nn

from convlens import zoo

State = dict[str, Tensor]
ODD_WEIGHTS: list[OddInput] = []


def house_state() -> State:
    """The weights of a small network for three classes, as torchvision would save them."""
    torch.manual_seed(0)
    return zoo.network("house", classes=3).state_dict()


def before(prefix: str, state: State) -> State:
    """The same with a prefix before all names."""
    return {prefix + name: tensor for name, tensor in state.items()}


def without_head(state: State) -> State:
    """The same without the last layer."""
    return {name: tensor for name, tensor in state.items() if not name.startswith("fc.")}


def in_format(state: State, dtype: torch.dtype) -> State:
    """The same in another number format."""
    return {name: tensor.to(dtype) if tensor.is_floating_point() else tensor for name, tensor in state.items()}


def with_value(state: State, name: str, value: float) -> State:
    """The same with one other value in the tensor of that name."""
    damaged = state[name].clone()
    damaged[0] = value
    return state | {name: damaged}


def zipped(*names: str) -> bytes:
    """A zip archive with files of these names."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in names:
            archive.writestr(name, b"1")
    return buffer.getvalue()


def onnx(producer: bytes) -> bytes:
    """What an ONNX file begins with."""
    return b"\x08\x08\x12" + bytes([len(producer)]) + producer + b"\x1a\x032.1:\x10"


PREFIXES: Mapping[str, str] = {
    "module.": "module.",
    "_orig_mod.": "",
    "module._orig_mod.": "module.",
    "model.": "model.",
    "net.": "net.",
    "backbone.": "backbone.",
    "encoder.": "encoder.",
    "student.module.backbone.": "student.module.backbone.",
    "lit.model._orig_mod.net.": "lit.model.net.",
}
"""Prefix -> what is said of it; a compiled module's is not worth a word."""
_OPTIMIZER = {"state": {0: {"exp_avg": torch.zeros(3)}}, "param_groups": [{"lr": 0.1}]}
WRAPPERS: Mapping[str, Callable[[State], Any]] = {
    "state_dict": lambda state: {"state_dict": state, "optimizer": _OPTIMIZER, "epoch": 3},
    "model": lambda state: {"model": state, "args": argparse.Namespace(lr=0.1), "best": np.float64(71.2)},
    "model_state_dict": lambda state: {"model_state_dict": state, "optimizer_state_dict": _OPTIMIZER},
    "net": lambda state: {"net": state, "acc": 93.5, "epoch": 2},
    "ema": lambda state: {"epoch": -1, "best_fitness": None, "model": None, "ema": state, "train_args": {"lr0": 0.1}},
    "ema with updates": lambda state: {"model": None, "ema": (state, 1200)},
    "state_dict_ema": lambda state: {"state_dict_ema": state, "epoch": 3},
    "Lightning": lambda state: {
        "state_dict": state,
        "optimizer_states": [_OPTIMIZER],
        "loops": {"fit_loop": {"state_dict": {}}},
        "hyper_parameters": {"lr": 0.1},
        "pytorch-lightning_version": "2.4.0",
    },
    "nested": lambda state: {"checkpoint": {"trainer": {"weights": state}}},
}
HEADS: Mapping[str, State] = {
    "none": {},
    "a sequence": {"fc.0.weight": torch.zeros(8, 256), "fc.0.bias": torch.zeros(8), "fc.3.weight": torch.zeros(5, 8)},
    "of other features": {"fc.weight": torch.zeros(5, 512), "fc.bias": torch.zeros(5)},
    "of another name": {"classifier.weight": torch.zeros(5, 256)},
}
EXTRAS: State = {
    "module.n_averaged": torch.tensor(3),
    "train_accuracy.tp": torch.zeros(3),
    "aux_classifier.weight": torch.zeros(2),
}
OTHER_FILES: Mapping[str, tuple[bytes, str]] = {
    "Git LFS": (
        b"version https://git-lfs.github.com/spec/v1\noid sha256:ab\nsize 9\n",
        "a Git LFS pointer.*git lfs pull",
    ),
    "HTML": (b"<!DOCTYPE html><title>Sign in</title>", r"a web page \(HTML\)"),
    "HTML after blanks": (b"\n\n <html lang='en'>", r"a web page \(HTML\)"),
    "JSON": (b'{"error": "no such file"}', 'text, which begins \'{"error": "no such file"}\''),
    "ONNX": (onnx(b"pytorch"), "an ONNX model"),
    "TFLite": (b"\x1c\0\0\0TFL3" + b"\0" * 99, "a TensorFlow Lite model"),
    "NumPy": (b"\x93NUMPY\x01\0" + b"\0" * 99, "an array of NumPy"),
    "npz": (zipped("a.npy", "b.npy"), "a file of NumPy arrays"),
    "GGUF": (b"GGUF\x03" + b"\0" * 99, "a GGUF file"),
    "gzip": (b"\x1f\x8b\x08" + b"\0" * 99, "compressed with gzip"),
    "tar": (b"\0" * 257 + b"ustar\0" + b"\0" * 300, "a tar archive"),
    "image": (b"\x89PNG\r\n\x1a\n" + b"\0" * 99, "an image"),
    "other zip": (zipped("photo.jpg"), r"a zip archive of something else \(photo\.jpg\)"),
    "empty": (b"", "an empty file. Download it again"),
    "zeros": (b"\0" * 5000, "nothing but zeros"),
}
"""Content of a file that holds no weights -> how it is named."""


class Trainer:
    """Somebody's own class, beside the weights."""


def _words(folder: Path, file: Path) -> list[str]:
    classes(folder / "images")
    words = train(folder / "images")
    words[words.index("--weights") + 1] = str(file)
    return words


def _saved(name: str, content: Callable[[], Any], suffix: str = ".pth", *more: str) -> None:
    """Adds what torch saves, trained from with more options."""

    def build(folder: Path) -> list[str]:
        torch.save(content(), folder / f"weights{suffix}")
        return [*_words(folder, folder / f"weights{suffix}"), *more]

    ODD_WEIGHTS.append(OddInput(name.replace(" ", "_"), build))


def _written(name: str, content: Callable[[], bytes]) -> None:
    """Adds a file of these bytes."""

    def build(folder: Path) -> list[str]:
        (folder / "weights.pth").write_bytes(content())
        return _words(folder, folder / "weights.pth")

    ODD_WEIGHTS.append(OddInput(name.replace(" ", "_"), build))


def _gray() -> State:
    return house_state() | {"conv1.weight": torch.rand(32, 1, 3, 3)}


def _torn() -> bytes:
    buffer = io.BytesIO()
    torch.save(house_state(), buffer)
    return buffer.getvalue()[:20_000]


def _torchscript() -> bytes:
    buffer = io.BytesIO()
    torch.jit.save(torch.jit.trace(nn.Linear(2, 2), torch.zeros(1, 2)), buffer)
    return buffer.getvalue()


for _prefix in PREFIXES:
    _saved(f"prefix {_prefix}", lambda prefix=_prefix: before(prefix, house_state()))
for (_name, _wrapper), _suffix in zip(WRAPPERS.items(), [".ckpt", ".pth.tar", ".pkl", ""] * 3, strict=False):
    _saved(f"wrapped as {_name}", lambda wrapper=_wrapper: wrapper(house_state()), _suffix)
for _name, _head in HEADS.items():
    _saved(f"head {_name}", lambda head=_head: without_head(house_state()) | head)
for _dtype in (torch.float16, torch.bfloat16, torch.float64):
    _saved(f"in {str(_dtype).removeprefix('torch.')}", lambda dtype=_dtype: in_format(house_state(), dtype))
_saved("two states", lambda: {"state_dict_ema": house_state(), "state_dict": house_state()})
_saved("student and teacher", lambda: before("student.", house_state()) | before("teacher.", house_state()))
_saved("entries of other things", lambda: {**house_state(), **EXTRAS, "epoch": 3})
_saved("first layer for gray images", _gray)
_saved("first layer for gray images refused as asked", _gray, ".pth", "--stem", "refuse")
_saved("first layer for four channels", lambda: house_state() | {"conv1.weight": torch.rand(32, 4, 3, 3)})
_saved("nan in statistics", lambda: with_value(house_state(), "bn1.running_mean", float("nan")))
_saved("infinity in weights", lambda: with_value(house_state(), "fc.bias", float("inf")))
_saved("of another network", lambda: zoo.network("small_convnet").state_dict())
_saved("a whole module", lambda: Trainer())
_written("cut off", _torn)
_written("torchscript", _torchscript)
_written("of keras for a network without a rule", lambda: b"\x89HDF\r\n\x1a\n" + b"\0" * 99)
for _name, (_content, _) in OTHER_FILES.items():
    _written(f"file {_name}", lambda content=_content: content)
