"""An exported file: written by one format, opened by the runtime that it is for."""

import abc
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram

from convlens.core.errors import DataError
from convlens.core.exported import ExportCard

CARD_KEY = "convlens"
"""Of the card among the file's metadata."""
_EXAMPLE = (2, 40, 36, 3)
"""Shape of the pixels that the whole model is traced with; no axis of it is kept, so none may be 1."""


class Answered(NamedTuple):
    """What a model gives for a batch."""

    answers: Tensor
    second: Tensor | None
    """P-values or vectors, see `ExportCard.outputs`."""


class Runner(abc.ABC):
    """An exported model in its runtime."""

    runtime: str
    """Name and version."""
    card: ExportCard

    @abc.abstractmethod
    def outputs(self, inputs: Tensor) -> Sequence[Tensor]:
        """The outputs that the card names, float32, for inputs as it describes them."""

    def __call__(self, inputs: Tensor) -> Answered:
        """The answers, of shape (N, outputs), and the second output where there is one."""
        answers, *others = self.outputs(inputs)
        return Answered(answers, others[0] if others else None)


class Format(abc.ABC):
    """A kind of file that models leave as."""

    suffix: ClassVar[str]
    """The end of the file's name; of a folder's name, "" for none."""
    can_be_bare: ClassVar[bool] = True
    can_run_code: ClassVar[bool] = False
    """Whether a file of this format, made for it, runs any code where it is opened."""

    @abc.abstractmethod
    def write(self, program: ExportedProgram, card: ExportCard, path: Path) -> None:
        """Write the file. Raises MachineError where a library is missing."""

    def is_at(self, path: Path) -> bool:
        """Whether what is there is of this format, by its name, or by what a folder holds."""
        return path.is_file() and path.suffix == self.suffix

    @abc.abstractmethod
    def open(self, path: Path) -> Runner:
        """The model of a file. Raises DataError for one that convlens has not written, MachineError as `write`."""


class QuantizableFormat(Format):
    """A format whose model is an ONNX file, which can be turned into one in 8 bits."""

    @abc.abstractmethod
    def onnx_of(self, path: Path) -> Path:
        """The model's file in what was written at `path`."""

    @abc.abstractmethod
    def write_card(self, card: ExportCard, path: Path) -> None:
        """Put another card into what was written at `path`."""


def traced(module: nn.Module, whole: bool, size: int) -> ExportedProgram:
    """The module as a program that takes batches of every size, and whole ones images of every size."""
    if whole:
        example = torch.zeros(_EXAMPLE, dtype=torch.uint8)
        shapes = {0: Dim.DYNAMIC, 1: Dim.DYNAMIC, 2: Dim.DYNAMIC}
    else:
        example = torch.zeros((2, 3, size, size))
        shapes = {0: Dim.DYNAMIC}
    with quiet_exporter(), torch.no_grad():
        return torch.export.export(module.eval(), (example,), dynamic_shapes=(shapes,))


def card_in(text: str | None, path: Path) -> ExportCard:
    """The card among a file's metadata. Raises DataError where there is none."""
    if not text:
        raise DataError(f"{path} was not written by `convlens export`: it has no card and no golden images.")
    return ExportCard.from_json(text, str(path))


@contextmanager
def quiet_exporter() -> Iterator[None]:
    """Without torch's own warnings of what will change in later versions of its exporters."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r".*treespec.*", category=FutureWarning)
        warnings.filterwarnings("ignore", message=r".*torch\.jit\.script_method.*", category=DeprecationWarning)
        yield
