"""What lies in the cache folder, entry by entry, by the names that convlens gives; links are never followed.

Whatever has another name, or is a link, is somebody else's.
"""

import dataclasses
import os
import re
import stat
import time
from collections.abc import Callable, Collection
from pathlib import Path

from convlens.core.cache import KindName, NotOurs
from convlens.core.cache_layout import (
    ARCHIVES,
    DOWNLOADS,
    FACTS,
    FEATURE_NOTE,
    FEATURES,
    GRAPHS,
    STORE,
    TRIALS,
    WEIGHTS,
)
from convlens.core.files import STALE_SECONDS
from convlens.core.store import DAMAGED_FOLDER

_HASH = "[0-9a-f]{64}"
_SHARD = re.compile(rf"{_HASH}\.safetensors")
_TABLE = re.compile(_HASH)
_FACTS_FOLDER = re.compile(r"decoder-\d+-facts-\d+")
_JSON = re.compile(rf"{_HASH}\.json")
_TEMPORARY = re.compile(r"\.tmp-[0-9a-f]{32}")
_ARCHIVE = re.compile(_HASH)
_HALF_ARCHIVE = re.compile(rf"\.tmp-{_HASH}")
_ARCHIVE_LOCK = re.compile(rf"{_HASH}\.lock")
_LINK = "a link, which is never followed"
_UNKNOWN = "not a name that convlens gives"
_GIVEN = "weights that somebody put there, or `convlens zoo unpack`"
_YOUNG = "being written, or left by a process that was killed within a day"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Entry:
    """What is removed as a whole."""

    kind: KindName
    path: Path
    """Its folder, or its file."""
    files: tuple[Path, ...]
    bytes: int
    used: float
    """When it was used last, in seconds since the epoch; of leftovers and damaged shards when they were written."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class WeightNames:
    """What files in the folder of weights are called."""

    kept: Collection[str]
    """Converted sets."""
    published: Collection[str]
    """Files as they were published."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Contents:
    """Everything in a cache folder."""

    entries: list[Entry]
    others: list[NotOurs]


class _Found(list[Entry]):
    """Entries, and beside them what is nobody's of ours."""

    def __init__(self, root: Path) -> None:
        super().__init__()
        self.root = root
        self.others: list[NotOurs] = []

    def leave(self, path: Path, reason: str = _UNKNOWN) -> None:
        """This is never removed."""
        why = _LINK if path.is_symlink() else reason
        name = path.relative_to(self.root).as_posix()
        self.others.append(NotOurs(path=name, reason=why, bytes=_bytes(files_below(path))))


def contents(root: Path, weights: WeightNames) -> Contents:
    """All that lies in the cache at `root`. What goes while it is looked at is left out."""
    found = _Found(root)
    folders: dict[str, Callable[[_Found, Path], None]] = {
        STORE: _scan_store,
        GRAPHS: lambda found, folder: _scan_files(found, folder, "graphs"),
        TRIALS: lambda found, folder: _scan_files(found, folder, "trials"),
        WEIGHTS: lambda found, folder: _scan_weights(found, folder, weights),
        ARCHIVES: _scan_archives,
    }
    _scan_folders(found, root, folders)
    return Contents(entries=list(found), others=sorted(found.others, key=lambda one: one.path))


def files_below(path: Path) -> list[Path]:
    """The path itself where it is no folder, or all that lies below it and is none; links are not followed."""
    if path.is_symlink() or not path.is_dir():
        return [path]
    return [Path(folder, name) for folder, _, names in os.walk(path) for name in names]


def _scan_folders(found: _Found, folder: Path, known: dict[str, Callable[[_Found, Path], None]]) -> None:
    for path in _listed(folder):
        if path.name in known and _is_folder(path):
            known[path.name](found, path)
        else:
            found.leave(path)


def _scan_store(found: _Found, store: Path) -> None:
    _scan_folders(
        found,
        store,
        {
            FEATURES: lambda found, folder: _scan_tables(found, folder, "features", _TABLE),
            FACTS: lambda found, folder: _scan_tables(found, folder, "facts", _FACTS_FOLDER),
        },
    )


def _scan_tables(found: _Found, folder: Path, kind: KindName, names: re.Pattern[str]) -> None:
    for path in _listed(folder):
        if names.fullmatch(path.name) and _is_folder(path):
            _scan_table(found, path, kind)
        else:
            found.leave(path)


def _scan_table(found: _Found, folder: Path, kind: KindName) -> None:
    files = []
    for path in _listed(folder):
        if path.name == DAMAGED_FOLDER and _is_folder(path):
            _scan_damaged(found, path)
        elif is_of_table(path):
            files.append(path)
        elif not _is_temporary(found, path):
            found.leave(path)
    if files or not any(_listed(folder)):
        _add(found, kind, folder, files)


def is_of_table(path: Path) -> bool:
    """Whether a file in the folder of a table is a shard of it, or its note."""
    return _is_file(path) and (_SHARD.fullmatch(path.name) is not None or path.name == FEATURE_NOTE)


def _scan_damaged(found: _Found, folder: Path) -> None:
    for path in _listed(folder):
        if _SHARD.fullmatch(path.name) and _is_file(path):
            _add(found, "damaged", path, [path])
        else:
            found.leave(path)


def _scan_files(found: _Found, folder: Path, kind: KindName) -> None:
    for path in _listed(folder):
        if _JSON.fullmatch(path.name) and _is_file(path):
            _add(found, kind, path, [path])
        elif not _is_temporary(found, path):
            found.leave(path)


def _scan_weights(found: _Found, folder: Path, names: WeightNames) -> None:
    for path in _listed(folder):
        if path.name == DOWNLOADS and _is_folder(path):
            _scan_downloads(found, path, names)
        elif path.name in names.kept and _is_file(path):
            beside = path.with_suffix(".sha256")
            _add(found, "weights", path, [path, *([beside] if _is_file(beside) else [])])
        elif path.suffix == ".sha256" and path.with_suffix(".safetensors").name in names.kept and _is_file(path):
            if not _is_file(path.with_suffix(".safetensors")):
                _add_stale(found, path)
        elif not _is_temporary(found, path):
            found.leave(path, _GIVEN if path.name in names.published else _UNKNOWN)


def _scan_downloads(found: _Found, folder: Path, names: WeightNames) -> None:
    for path in _listed(folder):
        name = path.name.removesuffix(".lock").removesuffix(".part")
        if name not in names.published or not _is_file(path):
            found.leave(path)
        elif not path.name.endswith(".lock"):
            _add_stale(found, path)


def _scan_archives(found: _Found, folder: Path) -> None:
    for path in _listed(folder):
        if _ARCHIVE.fullmatch(path.name) and _is_folder(path):
            _add(found, "archives", path, files_below(path))
        elif _HALF_ARCHIVE.fullmatch(path.name) and _is_folder(path):
            _add_stale(found, path)
        elif not (_ARCHIVE_LOCK.fullmatch(path.name) and _is_file(path)):
            found.leave(path)


def _is_temporary(found: _Found, path: Path) -> bool:
    """Whether it is a file that somebody of ours began to write; an entry where that was long ago."""
    named = _TEMPORARY.fullmatch(path.name) is not None and _is_file(path)
    if named:
        _add_stale(found, path)
    return named


def _add_stale(found: _Found, path: Path) -> None:
    """An entry of what was left more than a day ago; what is younger may be somebody's who is still at work."""
    if (status := _status(path)) is None:
        return
    if time.time() - status.st_mtime > STALE_SECONDS:
        _add(found, "leftovers", path, files_below(path))
    else:
        found.leave(path, _YOUNG)


def _add(found: _Found, kind: KindName, path: Path, files: list[Path]) -> None:
    if (status := _status(path)) is not None:
        entry = Entry(kind=kind, path=path, files=tuple(files), bytes=_bytes(files), used=status.st_mtime)
        found.append(entry)


def _listed(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):  # another process has just removed it
        return []


def _is_file(path: Path) -> bool:
    status = _status(path)
    return status is not None and stat.S_ISREG(status.st_mode)


def _is_folder(path: Path) -> bool:
    status = _status(path)
    return status is not None and stat.S_ISDIR(status.st_mode)


def _bytes(files: list[Path]) -> int:
    return sum(status.st_size for path in files if (status := _status(path)) is not None)


def _status(path: Path) -> os.stat_result | None:
    """What the system says of a path, of a link itself; None where there is nothing any more."""
    try:
        return path.lstat()
    except FileNotFoundError:
        return None
