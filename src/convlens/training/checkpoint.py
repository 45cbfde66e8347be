"""Checkpoints: how far a training has come, on disk, so that it can go on after it was killed at any moment.

A checkpoint is a folder that appears by one rename when all of it is there:

    step-0000001200-epoch-00003/
        state.safetensors    weights, optimizer state, average, random number generator
        course.json          epoch, step and sums of the epoch, metrics of the epochs before
        manifest.json        SHA-256 of the other two; written last
"""

import os
import shutil
import time
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, NamedTuple

from pydantic import Field
from safetensors.torch import load, save
from torch import Tensor

from convlens.core.errors import ConvlensError, DataError
from convlens.core.files import TEMPORARY_PREFIX, disk_errors_named, sha256_of, write_atomically
from convlens.core.progress import Say
from convlens.core.records import Record
from convlens.core.run import EpochMetrics
from convlens.core.settings import setting

_STATE, _COURSE, _MANIFEST = "state.safetensors", "course.json", "manifest.json"
_KEPT = 2


class Course(Record):
    """How far a training has come: the epochs that are finished, and where it is in the one after them."""

    kind: Literal["convlens.course"] = "convlens.course"
    version: Literal[1] = 1
    history: list[EpochMetrics] = Field(default_factory=list)
    step: int = 0
    """Steps made in the epoch that is not finished yet."""
    loss_sum: float = 0.0
    hits: float = 0.0
    seconds: float = 0.0
    """Spent on that epoch so far."""

    @property
    def epoch(self) -> int:
        """Epochs that are finished."""
        return len(self.history)


class _Manifest(Record):
    kind: Literal["convlens.checkpoint"] = "convlens.checkpoint"
    version: Literal[1] = 1
    key: str
    sha256: dict[str, str]


class Saved(NamedTuple):
    """What a checkpoint holds."""

    course: Course
    tensors: dict[str, Tensor]


class Checkpoints:
    """The checkpoints of one run: the last two of them, in one folder."""

    def __init__(self, folder: Path, key: str, *, seconds: float, say: Say) -> None:
        """`key` names all that must be equal for a checkpoint to fit; `seconds` may pass between two of them."""
        self._folder = folder
        self._key = key
        self._seconds = seconds
        self._say = say
        self._last = time.monotonic()

    @property
    def due(self) -> bool:
        """Whether the last checkpoint was a while ago."""
        return time.monotonic() - self._last >= self._seconds

    def save(self, total_steps: int, course: Course, tensors: Mapping[str, Tensor]) -> Path:
        """Where the checkpoint after so many steps is, once it is safely there. Raises MachineError on a full disk.

        After the last step of an epoch there may be two: before its evaluation, and after it.
        """
        target = self._folder / f"step-{total_steps:010d}-epoch-{course.epoch:05d}"
        if target.exists():  # this very state; it would be missing for a moment while it is replaced
            return target
        beside = self._folder / f"{TEMPORARY_PREFIX}{uuid.uuid4().hex}"
        with disk_errors_named(target):
            try:
                write_atomically(beside / _STATE, save({name: one.contiguous() for name, one in tensors.items()}))
                write_atomically(beside / _COURSE, course.to_json())
                hashes = {name: sha256_of(beside / name) for name in (_STATE, _COURSE)}
                write_atomically(beside / _MANIFEST, _Manifest(key=self._key, sha256=hashes).to_json())
                beside.rename(target)
                _flush_folder(self._folder)
            finally:
                shutil.rmtree(beside, ignore_errors=True)
        self._last = time.monotonic()
        for old in self._found()[_KEPT:]:
            shutil.rmtree(old, ignore_errors=True)
        return target

    def newest(self) -> Saved | None:
        """What the newest whole checkpoint holds; damaged ones are said and set aside. None where there is none.

        Raises DataError where the checkpoint belongs to another training.
        """
        for half_written in self._folder.glob(f"{TEMPORARY_PREFIX}*"):
            shutil.rmtree(half_written, ignore_errors=True)
        for path in self._found():
            try:
                return self._read(path)
            except _DamagedError as damaged:
                self._say(f"the checkpoint {path} was skipped: {damaged}")
                shutil.rmtree(aside := path.with_name(f"damaged-{path.name}"), ignore_errors=True)
                path.rename(aside)
        return None

    def _found(self) -> list[Path]:
        """Folders of checkpoints, newest first."""
        return sorted(self._folder.glob("step-*"), reverse=True)

    def _read(self, path: Path) -> Saved:
        try:
            manifest = _Manifest.from_json((path / _MANIFEST).read_bytes(), str(path / _MANIFEST))
            contents = {name: (path / name).read_bytes() for name in (_STATE, _COURSE)}
        except (OSError, ConvlensError) as error:
            raise _DamagedError(f"{error}") from error
        for name in contents:
            if sha256_of(path / name) != manifest.sha256.get(name):
                raise _DamagedError(f"{name} is damaged, its SHA-256 is another one than in {_MANIFEST}")
        if manifest.key != self._key:
            raise DataError(
                f"{path} belongs to another training: the images, their classes or their split, the recipe, the "
                "weights, the number of processes or the version of torch are not those it was started with. Restore "
                f"them, or start again with another {setting('out')}."
            )
        return Saved(Course.from_json(contents[_COURSE], str(path / _COURSE)), load(contents[_STATE]))


class _DamagedError(Exception):
    """Why a checkpoint cannot be used."""


def _flush_folder(folder: Path) -> None:
    """See to it that a rename inside survives a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
