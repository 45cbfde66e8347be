"""The points of a study that is under way, in its folder: what was finished is there after a break of any kind."""

import platform
from pathlib import Path
from typing import Literal, TypeVar

import torch

import convlens
from convlens.core.complexity import COMPLEXITY_UNFINISHED_FILE, ComplexityPoint
from convlens.core.errors import DataError
from convlens.core.files import write_atomically
from convlens.core.records import Record

Kept = TypeVar("Kept", bound=Record)


class Circumstances(Record):
    """What a point depends on besides its network; a point of others is not taken for one of these."""

    convlens: str
    torch: str
    machine: str
    batch: int | None
    """Images per forward pass; None where the speed is not measured."""


class _Unfinished(Record):
    kind: Literal["convlens.study.complexity.unfinished"] = "convlens.study.complexity.unfinished"
    version: Literal[1] = 1
    circumstances: Circumstances
    points: list[ComplexityPoint]


class KeptPoints:
    """Points by the name of their network, written to the folder as they come."""

    def __init__(self, folder: Path, circumstances: Circumstances) -> None:
        """Reads what a study that was broken off left, and writes it again: a place that takes no file is noticed now.

        Raises MachineError for such a place, DataError where the file is another one.
        """
        self._path = folder / COMPLEXITY_UNFINISHED_FILE
        self._circumstances = circumstances
        self._points = {point.name: point for point in self._left()}
        self._write()

    def __getitem__(self, name: str) -> ComplexityPoint | None:
        return self._points.get(name)

    def keep(self, point: ComplexityPoint) -> None:
        """Write the point beside those that are kept."""
        self._points[point.name] = point
        self._write()

    def forget(self) -> None:
        """Take the file away: the study is finished, and to make it again means to measure again."""
        self._path.unlink()

    def _left(self) -> list[ComplexityPoint]:
        left = read_kept(_Unfinished, self._path)
        return left.points if left and left.circumstances == self._circumstances else []

    def _write(self) -> None:
        left = _Unfinished(circumstances=self._circumstances, points=list(self._points.values()))
        write_atomically(self._path, left.to_json())


def read_kept(kind: type[Kept], path: Path) -> Kept | None:
    """The record that a study left in a file, if there is one. Raises DataError where it cannot be read."""
    if not path.is_file():
        return None
    try:
        return kind.from_json(path.read_bytes(), str(path))
    except DataError as error:
        raise DataError(f"{error.marked} To start the study over, remove that file.") from error


def circumstances(batch: int | None) -> Circumstances:
    """Those of this process."""
    return Circumstances(convlens=convlens.__version__, torch=torch.__version__, machine=machine(), batch=batch)


def machine() -> str:
    """This machine, as far as a speed depends on it."""
    capability = torch.backends.cpu.get_cpu_capability()
    threads = torch.get_num_threads()
    return f"{platform.machine()}, {threads} {'thread' if threads == 1 else 'threads'}, {capability}"
