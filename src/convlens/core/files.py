"""Files that are never torn: written beside, flushed, renamed."""

import contextlib
import errno
import hashlib
import os
import shutil
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from convlens.core.errors import ConvlensError, MachineError, UsageError
from convlens.core.settings import setting

TEMPORARY_PREFIX = ".tmp-"
STALE_SECONDS = 24 * 3600
_FULL = (errno.ENOSPC, errno.EDQUOT)
_CLOSED = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST)
_SHOWN_OF_NAME = 40


def write_atomically(path: Path, content: bytes | str) -> None:
    """Write `content` to `path` so that a reader sees the old file or the whole new one, never a part.

    Raises MachineError when the disk is full.
    """
    data = content.encode() if isinstance(content, str) else content
    with _written_beside(path) as file:
        file.write(data)


def copy_atomically(source: Path, path: Path) -> None:
    """Copy a file to `path`, of any size, as `write_atomically` writes. Raises MachineError when the disk is full."""
    with source.open("rb") as content, _written_beside(path) as file:
        shutil.copyfileobj(content, file)


@contextlib.contextmanager
def _written_beside(path: Path) -> Iterator[IO[bytes]]:
    """A file to write to, which takes the name `path` when all of it is on the disk."""
    with path_beside(path) as temporary, temporary.open("wb") as file:
        yield file
        file.flush()
        os.fsync(file.fileno())


@contextlib.contextmanager
def path_beside(path: Path, suffix: str = "") -> Iterator[Path]:
    """A path in the same folder, whose file or folder takes the name `path` at the end, or is removed.

    For libraries that write files by themselves, and for files that have to be proved before they get their name. With
    a `suffix`, for what goes by the end of a name; without one, nobody who looks for files like `path` finds what a
    killed process leaves.
    """
    with disk_errors_named(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.parent / f"{TEMPORARY_PREFIX}{uuid.uuid4().hex}{suffix}"
        try:
            yield temporary
            temporary.replace(path)
        except BaseException:
            _remove(temporary)
            raise


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def bytes_of(path: Path) -> int:
    """Of a file, or of all files in a folder."""
    return sum(one.stat().st_size for one in (path, *path.rglob("*")) if one.is_file())


@contextlib.contextmanager
def disk_errors_named(path: Path) -> Iterator[None]:
    """Turn what the disk refuses while `path` is written into an error that says where and what to do."""
    try:
        yield
    except OSError as error:
        if (known := disk_error(error, path.parent)) is not None:
            raise known from error
        raise


def refuse_unwritable(option: str, path: str | Path, example: str) -> None:
    """Tries a file's place before the work whose result it is to hold; nothing is written.

    `option` is the setting that names it, `example` a file name for the advice. Raises UsageError for a folder or a
    name that is too long, MachineError where the folder may not be written.
    """
    whole = Path(path).expanduser()
    with disk_errors_named(whole):
        if whole.is_dir():
            raise UsageError(
                f"{setting(option, path)} is a folder. Give the name of a file, such as {whole / example}."
            )
        whole.exists()  # raises for a name that is too long
        place = next(folder for folder in whole.absolute().parents if folder.exists())
        if not place.is_dir():
            raise UsageError(f"{setting(option, path)}: {place} is a file, not a folder. Give another place.")
        if not os.access(place, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(place))


def disk_error(error: OSError, place: Path) -> ConvlensError | None:
    """The error for a person where the disk is full, or `place` cannot be read or written; None for all others."""
    if error.errno == errno.ENAMETOOLONG:
        name = max(Path(str(error.filename2 or error.filename or place)).parts, key=len)
        short = f"{name[:_SHOWN_OF_NAME]}..." if len(name) > _SHOWN_OF_NAME else name
        return UsageError(
            f"a path is too long for this system: its part {short!r} has {len(name)} characters. Most file "
            "systems take 255 bytes in a name; give a shorter one."
        )
    elsewhere = (
        f"{setting('out')} for runs, the environment variable CONVLENS_CACHE for stored features. Then run the same "
        "command again: finished work is kept."
    )
    if error.errno in _FULL:
        return MachineError(
            f"no space left on the disk that holds {place}. Free some space, or use another location: {elsewhere}"
        )
    if error.errno == errno.EFBIG:
        return MachineError(
            f"a file in {place} would be larger than this system allows. Raise the limit (see `ulimit -f`), or use "
            f"another location: {elsewhere}"
        )
    if error.errno in _CLOSED:
        return MachineError(
            f"no access to {place} ({error.strerror}). Change its permissions, or use another location: {elsewhere}"
        )
    return None


def remove_stale_temporaries(folder: Path) -> None:
    """Remove what killed processes left half-written in `folder` more than a day ago. Never read by anybody."""
    for path in folder.glob(f"{TEMPORARY_PREFIX}*"):
        with contextlib.suppress(OSError):  # another process was faster, or the store may only be read
            if time.time() - path.stat().st_mtime > STALE_SECONDS:
                path.unlink()


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file's bytes, as 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def cache_folder() -> Path:
    """Where convlens keeps what it can compute again: $CONVLENS_CACHE, else $XDG_CACHE_HOME/convlens."""
    if chosen := os.environ.get("CONVLENS_CACHE"):
        return Path(chosen).expanduser()
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "convlens"
