"""What the system says of this machine: cores, memory, disk. Whatever it does not say is None."""

import contextlib
import os
import tempfile
from pathlib import Path

_CGROUPS = Path("/sys/fs/cgroup")
_MEMBERSHIP = Path("/proc/self/cgroup")
_MEMORY = Path("/proc/meminfo")
_NO_LIMIT = 2**60
"""Version 1 of cgroups writes a huge number where there is no limit."""


def cores() -> int | None:
    """How many processors this machine has."""
    return os.cpu_count()


def usable_cores() -> int | None:
    """How many of them this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None


def core_limit() -> float | None:
    """How many processors' time the container grants; None where no limit is visible."""
    if words := _limit("cpu.max"):
        quota, _, period = words.partition(" ")
        return None if quota == "max" else int(quota) / int(period)
    quota, period = _limit("cpu.cfs_quota_us", "cpu"), _limit("cpu.cfs_period_us", "cpu")
    return int(quota) / int(period) if quota and period and int(quota) > 0 else None


def memory() -> int | None:
    """Bytes of memory."""
    return _memory("MemTotal")


def available_memory() -> int | None:
    """Bytes of memory that programs can have without others being swapped out."""
    return _memory("MemAvailable")


def memory_limit() -> int | None:
    """Bytes that the container grants; None where no limit is visible."""
    words = _limit("memory.max") or _limit("memory.limit_in_bytes", "memory")
    return int(words) if words.isdecimal() and int(words) < _NO_LIMIT else None


def write_refusal(folder: Path) -> OSError | None:
    """Why a file cannot be written in a folder; None where it can. The file that is tried has no name, and is gone."""
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(bytes(4096))
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        return error
    return None


def bytes_below(folder: Path) -> int:
    """Bytes of all files in a folder; links are not followed."""
    total = 0
    for place, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):  # removed meanwhile, or not for everyone to see
                total += Path(place, name).lstat().st_size
    return total


def _memory(field: str) -> int | None:
    for line in _read(_MEMORY).splitlines():
        name, _, rest = line.partition(":")
        if name == field:
            return int(rest.removesuffix("kB")) * 1024
    return None


def _limit(name: str, controller: str = "") -> str:
    """The file of that name of this process's control group, or of the root of what a container sees."""
    for line in _read(_MEMBERSHIP).splitlines():
        _, controllers, path = line.split(":", 2)
        if controller in controllers.split(","):
            root = _CGROUPS / controller
            for folder in (root / path.lstrip("/"), root):
                if words := _read(folder / name).strip():
                    return words
    return ""


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:  # another system, or not for everyone to see
        return ""
