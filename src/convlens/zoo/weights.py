"""Weights: from a file to a state, and from a state into a network. No pickle is ever trusted."""

import re
from collections.abc import Mapping
from pathlib import Path

import safetensors.torch
import torch
from torch import Tensor, nn

from convlens.core.errors import DataError, UsageError
from convlens.core.progress import Say, unsaid
from convlens.zoo.alignment import aligned
from convlens.zoo.card import NetworkCard
from convlens.zoo.checkpoint import Checkpoint, read_checkpoint
from convlens.zoo.file_format import TITLES, format_of
from convlens.zoo.finite import refuse_not_finite
from convlens.zoo.foreign import translated
from convlens.zoo.match import COUNTER, State, differences, without
from convlens.zoo.misfit import misfit
from convlens.zoo.remarks import remarks
from convlens.zoo.stem import refuse_folded, with_stem_for

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
    """The state that a file of weights holds, as in `read_checkpoint`: dotted name -> tensor, on the CPU.

    The prefix `module.` that parallel training leaves is removed, but not where the last layer, `head`, is found under
    its name as it is: some networks hold another one as `self.module`. Raises as `read_checkpoint` does.
    """
    return _without_prefix(read_checkpoint(Path(path).expanduser()).state, head)


def read_state(
    path: str | Path,
    card: NetworkCard,
    expected: State,
    *,
    new_head: bool = False,
    fold_stem: bool = True,
    say: Say = unsaid,
) -> dict[str, Tensor]:
    """The state in a file, as in `read_checkpoint`, under the names of a network, those of `expected`.

    What training programs put before, into and beside a network's names is taken off (see `aligned`), and a first
    layer for one channel is made fit (see `with_stem_for`), or refused where `fold_stem` is False. With `new_head` the
    last layer is zero where the file has none, or another one. Weights of Keras and Caffe are converted (see
    `foreign`). `say` receives all of this in one line. What does not fit stays, for `load_weights` to refuse. Raises as
    `read_checkpoint` does, and DataError for a first layer that may not be made fit.
    """
    path = Path(path).expanduser()
    kept = format_of(path)
    if kept in TITLES:
        state = translated(path, kept, card, expected)
        checkpoint = Checkpoint(state, place="", others=(), extras=())
    else:
        checkpoint = read_checkpoint(path)
    state = without(with_present_names(checkpoint.state), card.dropped_weights)
    alignment = aligned(state, expected.keys())
    found, stem = with_stem_for(expected, alignment.state)
    if not fold_stem:
        refuse_folded(stem, path)
    head = ""
    if new_head and not _has_head(found, expected, card.head):
        body = {name: tensor for name, tensor in found.items() if not name.startswith(f"{card.head}.")}
        zeros = {
            name: torch.zeros(tensor.shape) for name, tensor in expected.items() if name.startswith(f"{card.head}.")
        }
        head = f"its last layer is not that of {card.name}, and is left out: a new one takes its place"
        found = body | zeros
    converted = f"converted from {TITLES[kept]}; images are fed as there, less the mean pixel" if kept in TITLES else ""
    if told := remarks(checkpoint, alignment, converted, stem, head):
        say(f"weights of {path.name}: {told}")
    return found


def _has_head(state: State, expected: State, head: str) -> bool:
    """Whether the state has the network's last layer, for any number of classes."""
    own = {name: tensor.shape[1:] for name, tensor in state.items() if name.startswith(f"{head}.")}
    return own == {name: tensor.shape[1:] for name, tensor in expected.items() if name.startswith(f"{head}.")}


def with_present_names(state: State) -> dict[str, Tensor]:
    """The state with names as torch allows them today."""
    return {_OLD_DENSENET.sub(r"\1", name): tensor for name, tensor in state.items()}


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
    the DataError that is raised when the state does not fit, or holds NaN or infinity.
    """
    state = without(with_present_names(state), dropped)
    expected = module.state_dict()
    if any(differences(expected, state)):
        raise misfit(expected, state, source, head, name or type(module).__name__)
    converted = {key: tensor.detach().to(expected[key].dtype) for key, tensor in state.items()}
    refuse_not_finite(converted, source)
    counters = {key: torch.zeros((), dtype=torch.long) for key in expected if key.endswith(COUNTER)}
    module.load_state_dict(counters | converted, assign=True)


def package_weights(card: NetworkCard) -> Path:
    """The file of trained weights that travels in the package for a network.

    Raises UsageError when that network has none, DataError when the file is not there.
    """
    if not card.package_weights:
        raise UsageError(
            f"no weights of {card.name} ship with convlens; those of house do. Name a file of weights (.safetensors or "
            ".pth)."
        )
    path = _PACKAGE_FOLDER / f"{card.name}.safetensors"
    if not path.is_file():
        raise DataError(
            f"the weights of {card.name} are missing from this installation: no file {path}. "
            "Install convlens again, or name a file of weights."
        )
    return path


def _without_prefix(state: dict[str, Tensor], head: str | None) -> dict[str, Tensor]:
    holds_head = head is not None and any(name.startswith(f"{head}.") for name in state)
    if holds_head or not all(name.startswith(_PARALLEL_PREFIX) for name in state):
        return state
    return {name.removeprefix(_PARALLEL_PREFIX): tensor for name, tensor in state.items()}
