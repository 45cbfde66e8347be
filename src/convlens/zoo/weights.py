"""Weights: from a file to a state, and from a state into a network. No pickle is ever trusted."""

import pickle
import re
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor, nn

from convlens.core.errors import ConvlensError, DataError, IntegrityError, UsageError
from convlens.core.settings import setting
from convlens.zoo.card import NetworkCard
from convlens.zoo.match import COUNTER, State, classes_in, differences, fitting_networks, without

_SAFETENSORS = ".safetensors"
_PICKLED = (".pth", ".pt", ".bin", ".th")
_NESTED = ("state_dict", "model")
_PARALLEL_PREFIX = "module."
_PACKAGE_FOLDER = Path(__file__).parent / "weights"

_OLD_DENSENET = re.compile(r"(denselayer\d+\.(?:norm|conv))\.(?=[12]\.)")
"""`denselayer1.norm.1.weight`: torch has long forbidden that dot, torchvision's files still have it."""


def serialized(state: State, metadata: Mapping[str, str] | None = None) -> bytes:
    """The state as a safetensors file. A tensor that has two names, as tied weights do, is written under each."""
    seen: set[int] = set()
    tensors = {}
    for name, tensor in state.items():
        memory = tensor.untyped_storage().data_ptr()
        tensors[name] = tensor.detach().clone() if memory in seen else tensor.detach()
        seen.add(memory)
    contiguous = {name: tensor.contiguous() for name, tensor in tensors.items()}
    return bytes(safetensors.torch.save(contiguous, None if metadata is None else dict(metadata)))


def state_in(file: bytes, head: str) -> dict[str, Tensor]:
    """What `serialized` wrote, as `read_weights` gives it."""
    return _without_prefix(safetensors.torch.load(file), head)


def read_weights(path: str | Path, head: str | None = None) -> dict[str, Tensor]:
    """The state that a file of weights holds: dotted name -> tensor, on the CPU.

    Reads `.safetensors`, and `.pth`, `.pt`, `.bin`, `.th` without running any code in them. A state nested under
    `state_dict` or `model` is taken out, and the prefix `module.` that parallel training leaves is removed, but not
    where the last layer, `head`, is found under its name as it is: some networks hold another one as `self.module`.

    Raises UsageError when there is no such file, DataError when it cannot be read or holds something else,
    and IntegrityError when it is a pickle that would have to run code.
    """
    path = Path(path).expanduser()
    if not path.is_file():
        raise UsageError(
            f"no file of weights at {path}. Check the path, or leave the weights out to start from scratch."
        )
    content = _read(path)
    for key in _NESTED:
        if isinstance(content, Mapping) and isinstance(content.get(key), Mapping):
            content = content[key]
    return _without_prefix(_checked(content, path), head)


def load_weights(
    module: nn.Module,
    state: State,
    source: str | Path,
    head: str,
    *,
    name: str | None = None,
    dropped: tuple[str, ...] = (),
) -> None:
    """Make the tensors of `state` those of `module`; nothing may be missing, left over or of another shape.

    But tensors whose names begin like one of `dropped` are left out: the card says which (`dropped_weights`).

    `module` may be on the meta device. Numbers are converted to the module's type; tensors that have it
    already are not copied. `source`, `head` (the last layer) and `name` (the network's) serve the message of
    the DataError that is raised when the state does not fit.
    """
    state = {_OLD_DENSENET.sub(r"\1", key): tensor for key, tensor in without(state, dropped).items()}
    expected = module.state_dict()
    if any(differences(expected, state)):
        raise _misfit(expected, state, source, head, name or type(module).__name__)
    converted = {key: tensor.detach().to(expected[key].dtype) for key, tensor in state.items()}
    counters = {key: torch.zeros((), dtype=torch.long) for key in expected if key.endswith(COUNTER)}
    module.load_state_dict(counters | converted, assign=True)


def package_weights(card: NetworkCard) -> Path:
    """The file of trained weights that travels in the package for a network.

    Raises UsageError when that network has none, DataError when the file is not there.
    """
    if not card.package_weights:
        raise UsageError(
            f"no weights of {card.name} ship with convlens; those of house do. Name a file of weights ({_SAFETENSORS}, "
            f"{', '.join(_PICKLED)})."
        )
    path = _PACKAGE_FOLDER / f"{card.name}{_SAFETENSORS}"
    if not path.is_file():
        raise DataError(
            f"the weights of {card.name} are missing from this installation: no file {path}. "
            "Install convlens again, or name a file of weights."
        )
    return path


def _read(path: Path) -> object:
    suffix = path.suffix.lower()
    if suffix not in (_SAFETENSORS, *_PICKLED):
        raise DataError(
            f"{path} does not have the suffix of a weights file: got {suffix or 'no suffix'!r}, accepted are "
            f"{_SAFETENSORS}, {', '.join(_PICKLED)}."
        )
    try:
        return safetensors.torch.load_file(path) if suffix == _SAFETENSORS else _read_pickled(path)
    except ConvlensError:
        raise
    except Exception as error:  # a damaged file makes the readers raise anything, KeyError included
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        raise DataError(
            f"{path} cannot be read as weights ({reason}). It is damaged, incomplete or of another format; download it "
            "again."
        ) from error


def _read_pickled(path: Path) -> object:
    mmap = zipfile.is_zipfile(path)  # files from before torch 1.6 are no archives, and cannot be mapped
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about formats that the refusal below names better
            return torch.load(path, map_location="cpu", weights_only=True, mmap=mmap)
    except pickle.UnpicklingError as error:
        found = re.search(r"GLOBAL (\S+)", str(error))
        what = f"the Python object {found[1]}" if found else "more than tensors"
        raise IntegrityError(
            f"refused to open {path}: it holds {what}, and opening such a pickle can run any code. "
            "Ask for the tensors alone: safetensors.torch.save_file(model.state_dict(), 'file.safetensors')."
        ) from error


def _checked(content: object, path: Path) -> dict[str, Tensor]:
    if not isinstance(content, Mapping) or not content:
        raise DataError(
            f"{path} holds {_described(content)}, not a state dict (names and tensors). Save model.state_dict()."
        )
    for name, value in content.items():
        if not isinstance(name, str) or not _is_plain(value):
            raise DataError(
                f"{path} is not a state dict: {name!r} is a {type(value).__name__}, not a plain tensor. Save "
                "model.state_dict() alone, or under the key 'state_dict'."
            )
    return dict(content)


def _described(content: object) -> str:
    return "nothing" if isinstance(content, Mapping) else f"a {type(content).__name__}"


def _is_plain(value: Any) -> bool:
    return (
        isinstance(value, Tensor)
        and value.layout == torch.strided
        and not (value.is_meta or value.is_quantized or value.is_complex())
    )


def _without_prefix(state: dict[str, Tensor], head: str | None) -> dict[str, Tensor]:
    holds_head = head is not None and any(name.startswith(f"{head}.") for name in state)
    if holds_head or not all(name.startswith(_PARALLEL_PREFIX) for name in state):
        return state
    return {name.removeprefix(_PARALLEL_PREFIX): tensor for name, tensor in state.items()}


def _misfit(expected: State, state: State, source: str | Path, head: str, name: str) -> DataError:
    """The error for a state that does not fit, with what to try instead."""
    fitting = fitting_networks(state)
    have, want = classes_in(state, head), classes_in(expected, head)
    if name in fitting:
        return DataError(
            f"{source} holds {name} with {have} classes, and {want} classes are asked for. "
            "Leave the number of classes to the file, and replace the last layer afterwards."
        )
    if fitting:
        hint = f"It fits {' and '.join(fitting)}: try {setting('backbone', fitting[0])}."
    else:
        hint = "It fits no network of the zoo (`convlens zoo`): names and shapes must be torchvision's."
    return DataError(f"{source} does not fit {name}: {differences(expected, state)}. {hint}")
