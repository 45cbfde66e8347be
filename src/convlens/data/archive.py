"""Zip and tar files of images: unpacked once, under the hash of the archive, and nothing outside of that folder.

An archive may come from anybody. Names that lead outside, links, devices and names that stand there twice are refused,
and limits count the bytes that really come out, not those that the archive announces.
"""

import contextlib
import lzma
import os
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import IO, NamedTuple

from filelock import FileLock, Timeout

from convlens.core.cache_layout import ARCHIVES
from convlens.core.errors import DataError, IntegrityError, MachineError
from convlens.core.files import TEMPORARY_PREFIX, cache_folder, disk_errors_named, sha256_of
from convlens.core.holds import hold_for_good

_BLOCK_BYTES = 2**20
_SPARE_DISK = 0.9
"""The part of the free disk that an archive may fill."""

_DAMAGES = (
    zipfile.BadZipFile,
    tarfile.TarError,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    NotImplementedError,
    RuntimeError,
)
"""What the readers of archives raise; OSErrors besides."""


class Limits(NamedTuple):
    """What an archive may hold at most."""

    files: int = 2_000_000
    bytes: int = 500 * 2**30
    ratio: float = 100.0
    """Bytes that come out for every byte of the archive; images are compressed already."""
    slack: int = 64 * 2**20
    """Bytes that may come out whatever the ratio."""


_LIMITS = Limits()


class _Member(NamedTuple):
    name: str
    is_folder: bool
    is_file: bool
    content: contextlib.AbstractContextManager[IO[bytes]]


def is_archive(path: Path) -> bool:
    """Whether a file is a zip or tar file, by its bytes."""
    try:
        return path.is_file() and (zipfile.is_zipfile(path) or tarfile.is_tarfile(path))
    except (OSError, EOFError, zlib.error):
        return False


def folder_of(given: str | Path) -> Path:
    """The folder itself, or the one that an archive is unpacked into. Raises what `unpacked` raises."""
    path = Path(given).expanduser()
    return unpacked(path) if is_archive(path) else path


def unpacked(path: Path, limits: Limits = _LIMITS) -> Path:
    """The folder with the archive's files, in the cache; the same archive is unpacked once.

    One folder that holds everything is entered. Raises IntegrityError for an archive that is not safe to unpack,
    DataError for a damaged or encrypted one, MachineError where the disk is too small.
    """
    place = cache_folder() / ARCHIVES / sha256_of(path)
    with disk_errors_named(place):
        place.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{place}.lock"):
            if not place.exists():
                _remove_leftovers(place)
                _unpack(path, place, limits)
            hold_for_good(place)  # its images are read until the very end
    return _entered(place)


def _partial(place: Path) -> Path:
    """Where an archive is unpacked before its folder gets its name; who holds its lock owns it."""
    return place.with_name(f"{TEMPORARY_PREFIX}{place.name}")


def _remove_leftovers(place: Path) -> None:
    """What killed processes left half unpacked: of this archive, and of others that nobody unpacks at this moment."""
    shutil.rmtree(_partial(place), ignore_errors=True)
    for left in place.parent.glob(f"{TEMPORARY_PREFIX}*"):
        other = left.name.removeprefix(TEMPORARY_PREFIX)
        if other != place.name:
            with contextlib.suppress(Timeout), FileLock(left.with_name(f"{other}.lock"), timeout=0):
                shutil.rmtree(left, ignore_errors=True)


def _unpack(path: Path, place: Path, limits: Limits) -> None:
    partial = _partial(place)
    partial.mkdir()
    try:
        _write_members(path, partial, limits)
        os.sync()  # once for all members: the name must not outlive a power cut that they do not
        partial.rename(place)
    except _DAMAGES as error:
        raise _damaged(path, error) from error
    except OSError as error:
        if error.errno is not None:
            raise  # of the disk; that of a damaged .gz or .bz2 has no number
        raise _damaged(path, error) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _damaged(path: Path, error: Exception) -> DataError:
    return DataError(f"{path} cannot be unpacked: {str(error) or 'it ends early'}. Create the archive again.")


def _write_members(path: Path, folder: Path, limits: Limits) -> None:
    size = path.stat().st_size
    most = int(min(limits.bytes, limits.slack + size * limits.ratio))
    free = int(shutil.disk_usage(folder).free * _SPARE_DISK)
    written = 0
    for number, member in enumerate(_members(path), start=1):
        if number > limits.files:
            raise _refused(path, f"it holds over {limits.files} files")
        target = _inside(path, folder, member)
        if member.is_folder:
            target.mkdir(parents=True, exist_ok=True)
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        for block in _blocks(path, member, target):
            written += len(block)
            if written > most:
                raise _refused(path, f"over {most} bytes unpacked from {size}")
            if written > free:
                raise MachineError(
                    f"no space left to unpack {path} into {folder.parent}. Free some, or unpack it elsewhere."
                )


def _blocks(path: Path, member: _Member, target: Path) -> Iterator[bytes]:
    """Blocks of a member, each after it was written."""
    try:
        file = target.open("xb")
    except (FileExistsError, IsADirectoryError, NotADirectoryError):
        raise _refused(path, f"{member.name!r} is in it twice") from None
    with file, member.content as content:
        while block := content.read(_BLOCK_BYTES):
            file.write(block)
            yield block


def _inside(path: Path, folder: Path, member: _Member) -> Path:
    parts = PurePosixPath(member.name.replace("\\", "/")).parts
    if not (member.is_file or member.is_folder):
        raise _refused(path, f"{member.name!r} is a link or a device; only plain files and folders are unpacked")
    if not parts or ".." in parts or parts[0].startswith("/") or parts[0].endswith(":") or "\0" in member.name:
        if member.is_folder and not parts:
            return folder  # "./", as tar writes it
        raise _refused(path, f"{member.name!r} leads outside of it")
    return folder.joinpath(*parts)


def _members(path: Path) -> Iterator[_Member]:
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            for info in archive.infolist():
                kind = stat.S_IFMT(info.external_attr >> 16)
                plain = kind in (0, stat.S_IFREG, stat.S_IFDIR)
                yield _Member(info.filename, info.is_dir(), plain and not info.is_dir(), archive.open(info))
    else:
        with tarfile.open(path) as packed:
            for entry in packed:
                content = packed.extractfile(entry) if entry.isreg() else None
                yield _Member(entry.name, entry.isdir(), content is not None, content or contextlib.nullcontext())  # type: ignore[arg-type]


def _entered(place: Path) -> Path:
    """The folder itself, or the one folder that everything lies in."""
    inside = [one for one in place.iterdir() if not one.name.startswith(".") and one.name != "__MACOSX"]
    return inside[0] if len(inside) == 1 and inside[0].is_dir() else place


def _refused(path: Path, why: str) -> IntegrityError:
    return IntegrityError(
        f"refused to unpack {path}: {why}. Nothing of it was kept; make sure that you trust its source."
    )
