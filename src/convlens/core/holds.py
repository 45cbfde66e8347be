"""Holds: what a running process uses of the cache, so that nobody removes it meanwhile.

A hold is a shared lock (flock) on the folder or file itself: no lock file is left behind, a cache that may only be read
will do, and the system gives the hold up when its process ends, however that happens. Who removes something claims it
first, which is possible while nobody holds it. Both look again whether the name still means what they have locked: the
other may have been faster.
"""

import contextlib
import errno
import fcntl
import os
import weakref
from collections.abc import Iterator
from pathlib import Path

IN_USE = "in use by a running command"
NO_LOCKS = "its disk has no locks, so nobody can tell whether it is in use"
GONE = "already gone"

_for_good: dict[Path, "Hold"] = {}


class Hold:
    """A shared lock, until the object is no more."""

    def __init__(self, descriptor: int) -> None:
        self._close = weakref.finalize(self, os.close, descriptor)

    def release(self) -> None:
        """Give it up at once."""
        self._close()


def held(path: Path) -> Hold | None:
    """A hold on a folder or file; None where there is none of that name.

    Its time of modification becomes now, by which the cache knows when something was used last.
    """
    while (descriptor := _opened(path)) is not None:
        _locked(descriptor, fcntl.LOCK_SH)  # without locks nobody removes anything, see `claimed`
        if _is_named(path, descriptor):
            mark_used(path)
            return Hold(descriptor)
        os.close(descriptor)
    return None


def hold_for_good(path: Path) -> bool:
    """Hold a folder or file until the process ends, for what is read who knows when; whether it is there."""
    hold = held(path)
    if hold is not None:
        _for_good[path] = hold
    return hold is not None


@contextlib.contextmanager
def claimed(path: Path) -> Iterator[str]:
    """Why a folder or file may not be removed now: IN_USE, NO_LOCKS or GONE; or "", and then nobody begins to use it.

    Links are not followed.
    """
    descriptor = _opened(path, os.O_NOFOLLOW)
    if descriptor is None:
        yield GONE
        return
    try:
        refusal = _locked(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield refusal or ("" if _is_named(path, descriptor) else GONE)
    finally:
        os.close(descriptor)


def mark_used(path: Path) -> None:
    """Let the time of modification say that it was used now, where it may be changed."""
    with contextlib.suppress(OSError):  # the cache may only be read, or another process has removed it
        os.utime(path)


def _opened(path: Path, flags: int = 0) -> int | None:
    try:
        return os.open(path, os.O_RDONLY | flags)
    except (FileNotFoundError, NotADirectoryError):
        return None


def _locked(descriptor: int, operation: int) -> str:
    """Lock it; "", or why it is not locked."""
    try:
        fcntl.flock(descriptor, operation)
    except BlockingIOError:
        return IN_USE
    except OSError as error:
        if error.errno in (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EBADF, errno.EINVAL):
            return NO_LOCKS  # NFS without its lock daemon; NFS locks no folder for oneself alone
        raise
    return ""


def _is_named(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except (FileNotFoundError, NotADirectoryError):
        return False
