"""Checkpoints: what a file holds, and which part of it is the state of a network. No pickle is ever trusted."""

import argparse
import pickle
import re
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import safetensors.torch
import torch
from torch import Tensor

from convlens.core.errors import DataError, IntegrityError
from convlens.zoo.file_format import TITLES, Format, format_of

_WRAPPERS = (
    *("state_dict", "model_state_dict", "model_state", "model", "net", "network", "module", "weights", "params"),
    *("backbone", "encoder", "teacher", "student", "state_dict_ema", "model_ema", "ema_state_dict", "ema", "ema_model"),
)
"""Keys under which training programs keep a network's state; of several the first is taken."""
_NO_NETWORK = re.compile(r"optim|sched|scaler|callback|loops?$|rng|hyper_|args|config|cfg|queue|criterion|loss")
"""Keys of a checkpoint that hold something else."""
_DEPTH = 4
_TORCH_PICKLE = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."
_TENSORS_ALONE = "Ask for the tensors alone: safetensors.torch.save_file(model.state_dict(), 'file.safetensors')."

_NUMPY_SCALAR = np.float64(0).__reduce__()[0]
"""The function that makes numpy's numbers from a number format and bytes; its module has had two names."""
_INERT: tuple[Any, ...] = (
    argparse.Namespace,
    np.dtype,
    (_NUMPY_SCALAR, "numpy.core.multiarray.scalar"),
    (_NUMPY_SCALAR, "numpy._core.multiarray.scalar"),
    *(type(np.dtype(name)) for name in ("float64", "float32", "float16", "int64", "int32", "bool")),
)
"""Objects that training programs keep beside a state, options and scores: they only hold values, and run nothing."""


class Checkpoint(NamedTuple):
    """A state, dotted name -> tensor, and where in a file it was."""

    state: dict[str, Tensor]
    place: str
    """The keys that lead to it, joined by dots; "" where the file is a state."""
    others: tuple[str, ...]
    """Places of other states in the file."""
    extras: tuple[str, ...]
    """Entries among the tensors that are none, such as a number of epochs."""


def read_checkpoint(path: Path) -> Checkpoint:
    """The state in a file: dotted name -> tensor, on the CPU.

    Reads what `format_of` accepts, whatever its suffix, without running any code in it. A state may lie under
    `state_dict`, `model`, `ema` and the like, in any nesting. Raises as `format_of` does; DataError for a file that is
    damaged or holds something else, and IntegrityError for a pickle that would have to run code.
    """
    kept = format_of(path)
    if kept in TITLES:
        raise DataError(
            f"{path} is a file of {TITLES[kept]}, whose weights are converted for networks of the zoo alone. Ask for "
            "the state dict of the PyTorch network: torch.save(model.state_dict(), 'weights.pth')."
        )
    return _checkpoint(_read(path, kept), path)


def _read(path: Path, kept: Format) -> object:
    try:
        return safetensors.torch.load_file(path) if kept == "safetensors" else _read_pickle(path, mmap=kept == "zip")
    except IntegrityError:
        raise
    except Exception as error:  # a damaged file makes the readers raise anything, KeyError included
        reason = "" if "weights_only" in str(error) else f": {error}".splitlines()[0]
        raise DataError(
            f"{path} cannot be read as weights ({type(error).__name__}{reason}). It is damaged, incomplete or of "
            "another format; download it again."
        ) from error


def _read_pickle(path: Path, *, mmap: bool) -> object:
    if not mmap:
        _refuse_other_pickle(path)
    try:
        with warnings.catch_warnings(), torch.serialization.safe_globals([*_INERT]):
            warnings.simplefilter("ignore")  # about formats that the refusal below names better
            return torch.load(path, map_location="cpu", weights_only=True, mmap=mmap)
    except pickle.UnpicklingError as error:
        found = re.search(r"GLOBAL (\S+)", str(error))
        what = f"the Python object {found[1]}" if found else "more than tensors"
        raise IntegrityError(
            f"refused to open {path}: it holds {what}, and opening such a pickle can run any code. {_TENSORS_ALONE}"
        ) from error


def _refuse_other_pickle(path: Path) -> None:
    """Refuse a pickle that does not begin as those of torch.save did before version 1.6."""
    with path.open("rb") as file:
        if not file.read(len(_TORCH_PICKLE)).startswith(_TORCH_PICKLE):
            raise IntegrityError(
                f"refused to open {path}: it is a Python pickle that torch.save did not write, and opening such a "
                f"pickle can run any code. {_TENSORS_ALONE}"
            )


def _checkpoint(content: object, path: Path) -> Checkpoint:
    if not isinstance(content, Mapping) or not content:
        raise DataError(
            f"{path} holds {_described(content)}, not a state dict (names and tensors). Save model.state_dict()."
        )
    found = sorted(_states(content), key=_rank)
    if not found:
        keys = ", ".join(map(str, [*content][:5]))
        raise DataError(
            f"{path} holds no state dict (names and tensors); its keys are {keys}. Save model.state_dict() alone, or "
            "under the key 'state_dict'."
        )
    (place, state), *others = found
    if packed := next((name for name in state if str(name).endswith("_packed_params")), None):
        raise DataError(
            f"{path} holds quantized weights ({packed}), from which nothing can be trained. Ask for the state dict of "
            "the network before it was quantized."
        )
    for name, value in state.items():
        if not isinstance(name, str) or (isinstance(value, Tensor) and not _is_plain(value)):
            raise DataError(
                f"{path} is not a state dict: {name!r} is a {_kind(value)}, not a plain tensor. Save "
                "model.state_dict() alone, or under the key 'state_dict'."
            )
    return Checkpoint(
        state={name: value.detach() for name, value in state.items() if isinstance(value, Tensor)},
        place=".".join(place),
        others=tuple(".".join(other) for other, _ in others),
        extras=tuple(name for name, value in state.items() if not isinstance(value, Tensor)),
    )


_Place = tuple[str, ...]


def _states(content: object, place: _Place = ()) -> Iterator[tuple[_Place, Mapping[Any, Any]]]:
    """Every state in the content, the innermost of those that lie in each other, and the keys that lead to it."""
    if isinstance(content, list | tuple):
        for item in content:
            yield from _states(item, place)
    if not isinstance(content, Mapping) or len(place) > _DEPTH:
        return
    inside = [
        state
        for key, value in content.items()
        if isinstance(key, str) and not _NO_NETWORK.search(key.lower())
        for state in _states(value, (*place, key))
    ]
    own = sum(isinstance(value, Tensor) for value in content.values())
    if own > max((len(state) for _, state in inside), default=0):
        yield place, content
    else:
        yield from inside


def _rank(found: tuple[_Place, Mapping[Any, Any]]) -> tuple[list[int], int]:
    """Lowest for the state to take: by the keys that lead to it, then by its number of tensors."""
    place, state = found
    return [_WRAPPERS.index(key) if key in _WRAPPERS else len(_WRAPPERS) for key in place], -len(state)


def _described(content: object) -> str:
    return "nothing" if isinstance(content, Mapping) else f"a {type(content).__name__}"


def _kind(value: object) -> str:
    if not isinstance(value, Tensor):
        return type(value).__name__
    forms = {"quantized": value.is_quantized, "complex": value.is_complex(), "sparse": value.layout != torch.strided}
    return " ".join((*(form for form, it_is in forms.items() if it_is), type(value).__name__))


def _is_plain(value: Tensor) -> bool:
    return value.layout == torch.strided and not (value.is_meta or value.is_quantized or value.is_complex())
