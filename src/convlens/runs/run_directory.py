"""Where a run will be: its name is taken at once, and its folder appears when all of it is there.

runs/20260131-120000-cats-house              the run, by one rename at the end
runs/20260131-120000-cats-house.unfinished   until then: begun.json, metrics.jsonl, checkpoints/
"""

import contextlib
import dataclasses
import itertools
import re
import shlex
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from filelock import FileLock, Timeout

from convlens.core.errors import UsageError
from convlens.core.files import disk_errors_named, write_atomically
from convlens.core.records import Record, now
from convlens.core.run import BEGUN_FILE, UNFINISHED
from convlens.core.search import Search
from convlens.core.settings import setting
from convlens.training.recipe import Recipe

RUNS_FOLDER = Path("runs")
_LOCK = ".lock"
_STALE_SECONDS = 24 * 3600
_LONGEST_SUBJECT = 100


class Begun(Record):
    """begun.json: what an unfinished run was begun with."""

    kind: Literal["convlens.begun"] = "convlens.begun"
    version: Literal[1] = 1
    created: str
    folder: str
    """Of the images, as an absolute path."""
    recipe: Recipe
    chosen_by: Search | None = None
    """The search that the recipe is from, if it is from one."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class RunDirectory:
    """Where a run will be, and the folder beside it that holds what is not finished."""

    target: Path

    @property
    def unfinished(self) -> Path:
        """The folder beside."""
        return self.target.with_name(self.target.name + UNFINISHED)

    @property
    def partial(self) -> Path:
        """Where the files of the run are written, before that folder becomes the run."""
        return self.unfinished / "run"

    @property
    def checkpoints(self) -> Path:
        """Where checkpoints are."""
        return self.unfinished / "checkpoints"

    def note(self, recipe: Recipe) -> None:
        """Remember what the recipe of the unfinished run has become."""
        begun = read_begun(self.target).model_copy(update={"recipe": recipe})
        write_atomically(self.unfinished / BEGUN_FILE, begun.to_json())

    @property
    def has_checkpoints(self) -> bool:
        """Whether there is something to go on from."""
        return any(self.checkpoints.glob("step-*"))

    def resume_command(self, processes: int = 1) -> str | None:
        """The command that goes on with the run, from any folder; None where there is nothing to go on from.

        A training of several processes goes on with as many.
        """
        if not self.has_checkpoints:
            return None
        program = f"torchrun --nproc-per-node {processes} -m convlens" if processes > 1 else "convlens"
        return f"{program} train --resume {shlex.quote(str(self.unfinished.absolute()))}"


@contextlib.contextmanager
def reserved_run_directory(
    out: str | Path | None, folder: Path, recipe: Recipe, chosen_by: Search | None = None
) -> Iterator[RunDirectory]:
    """A directory for the run: `out`, which must not exist, or a new name under runs/ that names time and subject.

    Made before the work begins, so that a directory that cannot be written to is noticed then. When the work fails,
    what is half written goes and checkpoints stay; with the same `out`, recipe and folder the work goes on from them.
    Raises UsageError for an `out` that exists, that another process works on, or whose checkpoints are those of
    another recipe, and for folders whose names are no text; MachineError where nothing can be written.
    """
    parent = RUNS_FOLDER if out is None else Path(out).expanduser().parent
    for path in (folder, *([] if out is None else [Path(out)])):
        _refuse_other_than_text(path.absolute())
    with disk_errors_named(parent / "run"):
        parent.mkdir(parents=True, exist_ok=True)
        _remove_stale(parent)
        directory = _new_directory(folder, recipe) if out is None else _chosen_directory(Path(out).expanduser())
    with _locked(directory):
        if directory.has_checkpoints:
            earlier = read_begun(directory.target)
            recipe = _with_formats_of(earlier.recipe, recipe)
            _refuse_other(directory, earlier, folder, recipe)
            chosen_by = chosen_by or earlier.chosen_by
        begun = Begun(created=now(), folder=str(folder.expanduser().absolute()), recipe=recipe, chosen_by=chosen_by)
        try:
            write_atomically(directory.unfinished / BEGUN_FILE, begun.to_json())
            yield directory
        finally:
            shutil.rmtree(directory.partial, ignore_errors=True)
            if directory.target.exists() or not directory.has_checkpoints:
                shutil.rmtree(directory.unfinished, ignore_errors=True)


def read_begun(run: Path) -> Begun:
    """What the unfinished run of that name was begun with. Raises UsageError where there is none."""
    directory = RunDirectory(target=run.with_name(run.name.removesuffix(UNFINISHED)))
    if directory.target.exists():
        raise UsageError(f"{directory.target} is already finished; there is nothing to resume.")
    path = directory.unfinished / BEGUN_FILE
    if not path.is_file():
        raise UsageError(f"no unfinished run {run}: there is no {path}. Name a run that was started, or train again.")
    return Begun.from_json(path.read_bytes(), str(path))


def unused_run_name(parent: Path, subject: str) -> Path:
    """A new name for a run below `parent`, made of the time and the subject."""
    return next(path for path in _run_names(parent, subject) if not path.exists())


def _refuse_other_than_text(path: Path) -> None:
    """The records of a run name both folders, and what is no text cannot stand in them."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        raise UsageError(
            f"the name of {path} is not text in {sys.getfilesystemencoding()}, which is the encoding of names here, "
            "and could not be written into the records of a run. Rename it, take another folder, or set PYTHONUTF8=1."
        ) from None


def refuse_taken(out: str | Path | None) -> None:
    """Raises UsageError where a run, or anything else, is there already."""
    if out is not None and (target := Path(out).expanduser()).exists():
        raise UsageError(f"{setting('out', target)} already exists, and runs are never overwritten. Give another name.")


def _chosen_directory(target: Path) -> RunDirectory:
    refuse_taken(target)
    directory = RunDirectory(target=target)
    if directory.unfinished.exists() and not _is_of_a_run(directory.unfinished):
        raise UsageError(
            f"{directory.unfinished} already exists and is not an unfinished run of convlens, which would be kept "
            f"there for {setting('out', target)}. Give another name."
        )
    directory.unfinished.mkdir(exist_ok=True)
    return directory


def _new_directory(folder: Path, recipe: Recipe) -> RunDirectory:
    """Making the folder beside claims the name: a run that begins in the same second takes the next one."""
    subject = f"{folder.resolve().name}-{recipe.backbone}"
    for target in _run_names(RUNS_FOLDER, subject):
        directory = RunDirectory(target=target)
        if not target.exists():
            with contextlib.suppress(FileExistsError):
                directory.unfinished.mkdir()
                return directory
    raise AssertionError("names do not end")


@contextlib.contextmanager
def _locked(directory: RunDirectory) -> Iterator[None]:
    """Only one process works on a run; its lock goes with the process, however that ends."""
    try:
        with FileLock(directory.unfinished / _LOCK, timeout=0):
            yield
    except Timeout:
        raise UsageError(
            f"another process is training {directory.target} right now. Wait for it, or give another {setting('out')}."
        ) from None


def _with_formats_of(begun: Recipe, recipe: Recipe) -> Recipe:
    """The recipe with the number formats that the run was begun with, where it leaves them open."""
    left_open = [name for name in ("precision", "training_precision") if getattr(recipe, name) == "auto"]
    return recipe.model_copy(update={name: getattr(begun, name) for name in left_open})


def _refuse_other(directory: RunDirectory, begun: Begun, folder: Path, recipe: Recipe) -> None:
    asked = {**recipe.model_dump(), "folder": str(folder.expanduser().absolute())}
    before = {**begun.recipe.model_dump(), "folder": begun.folder}
    if other := [name for name, value in asked.items() if value != before[name]]:
        told = ", ".join(f"{name} {before[name]} (now {asked[name]})" for name in other)
        raise UsageError(
            f"{directory.target} is unfinished and was started with {told}. Run {directory.resume_command()} to resume "
            f"it, give another {setting('out')}, or remove {directory.unfinished}."
        )


def _is_of_a_run(folder: Path) -> bool:
    """Whether that is a folder in which a run was begun, by convlens, or one that is empty but for its lock."""
    return folder.is_dir() and (
        (folder / BEGUN_FILE).is_file() or not any(one.name != _LOCK for one in folder.iterdir())
    )


def _run_names(parent: Path, subject: str) -> Iterator[Path]:
    words = re.sub(r"[^\w.-]+", "-", subject)[:_LONGEST_SUBJECT]
    stem = f"{time.strftime('%Y%m%d-%H%M%S')}-{words}"
    return (parent / (stem if n == 1 else f"{stem}-{n}") for n in itertools.count(1))


def _remove_stale(parent: Path) -> None:
    """What killed runs left more than a day ago without any checkpoint."""
    for path in filter(_is_of_a_run, parent.glob(f"*{UNFINISHED}")):
        directory = RunDirectory(target=path.with_name(path.name.removesuffix(UNFINISHED)))
        if time.time() - path.stat().st_mtime > _STALE_SECONDS and not directory.has_checkpoints:
            with contextlib.suppress(UsageError), _locked(directory):
                shutil.rmtree(path, ignore_errors=True)
