"""Removing from the cache: what is chosen, and how each kind goes without harm to a process that uses it.

Tables, sets of weights and archives are claimed first (see core.holds), and stay where somebody uses them. Graphs and
trials are read at once and as a whole, so that a reader has one or makes it again. Nobody reads damaged shards and
leftovers. Removing may be stopped anywhere: what is left is whole.
"""

import contextlib
import dataclasses
import shutil
from collections.abc import Collection, Iterable
from pathlib import Path

from filelock import FileLock, Timeout

from convlens.core.cache import KindName
from convlens.core.cache_scan import Entry, is_of_table
from convlens.core.files import TEMPORARY_PREFIX
from convlens.core.holds import GONE, IN_USE, claimed

_TABLES: tuple[KindName, ...] = ("features", "facts")
_ONLY_BY_NAME: tuple[KindName, ...] = ("trials",)
"""They take no space, and without them a later run may settle on another number format."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Criteria:
    """What is to go."""

    everything: bool = False
    kinds: Collection[KindName] = ()
    """Only these; none for all but trials, which go by name or with everything."""
    before: float | None = None
    """What was not used since then, in seconds since the epoch."""
    down_to: int | None = None
    """No more than is needed for so many bytes in all, those used longest ago first."""


def chosen(entries: Iterable[Entry], criteria: Criteria) -> list[Entry]:
    """The entries that the criteria mean, those used longest ago first."""
    entries = sorted(entries, key=lambda one: (one.used, one.path))
    if criteria.everything:
        return entries
    meant = [one for one in entries if _is_meant(one, criteria)]
    if criteria.down_to is None:
        return meant
    left, first = sum(one.bytes for one in entries), []
    for one in meant:
        if left <= criteria.down_to:
            break
        if one.bytes:
            first.append(one)
            left -= one.bytes
    return first


def _is_meant(entry: Entry, criteria: Criteria) -> bool:
    if criteria.before is not None and entry.used >= criteria.before:
        return False
    return entry.kind in criteria.kinds if criteria.kinds else entry.kind not in _ONLY_BY_NAME


def removed(entry: Entry) -> str:
    """Remove an entry; "", or why it stays."""
    try:
        if entry.kind in _TABLES:
            return _removed_table(entry.path)
        if entry.kind == "archives":
            return _removed_archive(entry.path)
        if entry.kind == "weights":
            return _removed_claimed(entry)
        return _removed_unread(entry)
    except OSError as error:
        return f"cannot be removed: {error.strerror}"


def _removed_table(folder: Path) -> str:
    with claimed(folder) as refusal:
        if refusal:
            return _known(refusal)
        for path in filter(is_of_table, folder.iterdir()):
            path.unlink()
        with contextlib.suppress(OSError):  # somebody's own file lies there, or damaged shards
            folder.rmdir()
    return ""


def _removed_archive(folder: Path) -> str:
    """It loses its name at once: an archive that is half there must not be taken for a whole one."""
    with contextlib.suppress(Timeout), FileLock(f"{folder}.lock", timeout=0):
        with claimed(folder) as refusal:
            if refusal:
                return _known(refusal)
            nameless = folder.with_name(f"{TEMPORARY_PREFIX}{folder.name}")
            folder.rename(nameless)
            shutil.rmtree(nameless)
        return ""
    return IN_USE


def _removed_claimed(entry: Entry) -> str:
    with claimed(entry.path) as refusal:
        if refusal:
            return _known(refusal)
        for path in entry.files:
            path.unlink(missing_ok=True)
    return ""


def _removed_unread(entry: Entry) -> str:
    """Remove what nobody reads, or reads at once; who still works on it has its lock."""
    lock = entry.path.name.removeprefix(TEMPORARY_PREFIX) + ".lock"
    guarded = entry.path.is_dir() or entry.path.suffix == ".part"
    with (
        contextlib.suppress(Timeout),
        FileLock(entry.path.with_name(lock), timeout=0) if guarded else contextlib.nullcontext(),
    ):
        if entry.path.is_dir() and not entry.path.is_symlink():
            shutil.rmtree(entry.path)
        else:
            entry.path.unlink(missing_ok=True)
        if entry.kind == "damaged":
            with contextlib.suppress(OSError):  # other damaged shards
                entry.path.parent.rmdir()
        return ""
    return IN_USE


def _known(refusal: str) -> str:
    """What is gone already is as good as removed."""
    return "" if refusal == GONE else refusal
