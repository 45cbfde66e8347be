"""The content-addressed store: immutable shards, each named by the SHA-256 of its bytes.

A shard is whole or absent: it is written beside, flushed and renamed to its hash, so neither a kill nor a second
run at the same moment can leave a part of one. Two runs that compute the same write the same name. A folder whose
shards are in use is held (see core.holds), so that `convlens cache` leaves it alone.
"""

import contextlib
import hashlib
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from convlens.core.files import disk_errors_named, remove_stale_temporaries, sha256_of, write_atomically
from convlens.core.holds import Hold, held

_SUFFIX = ".safetensors"
DAMAGED_FOLDER = "damaged"


class ShardStore:
    """The shards of one kind, in one folder. What they hold is the caller's business.

    From the first shard that is read or written on, nobody else removes any, as long as the object lives.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.set_aside: list[Path] = []
        """Damaged shards that were noticed and moved away, by their new paths."""
        self._hold: Hold | None = None

    def write(self, content: bytes) -> Path:
        """Where the shard is, once it is safely there. Raises MachineError when the disk is full."""
        path = self.folder / f"{hashlib.sha256(content).hexdigest()}{_SUFFIX}"
        self._hold_new()
        if not path.exists():
            write_atomically(path, content)
        return path

    def verified(self) -> list[Path]:
        """Every shard whose bytes still have the hash that its name says, by age; others are set aside."""
        with disk_errors_named(self.folder):
            self._hold = self._hold or held(self.folder)
        if self._hold is None or not self.folder.is_dir():
            return []
        remove_stale_temporaries(self.folder)
        shards = sorted(self.folder.glob(f"*{_SUFFIX}"), key=lambda path: (path.stat().st_mtime_ns, path.name))
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            intact = list(pool.map(_is_intact, shards))
        for path, good in zip(shards, intact, strict=True):
            if not good:
                self._set_aside(path)
        return [path for path, good in zip(shards, intact, strict=True) if good]

    def _hold_new(self) -> None:
        """Hold the folder, which is made where it is not there."""
        with disk_errors_named(self.folder):
            while self._hold is None:  # between the two lines another process may remove it
                self.folder.mkdir(parents=True, exist_ok=True)
                self._hold = held(self.folder)

    def _set_aside(self, path: Path) -> None:
        target = self.folder / DAMAGED_FOLDER / path.name
        with disk_errors_named(target), contextlib.suppress(FileNotFoundError):  # another run was faster
            target.parent.mkdir(exist_ok=True)
            path.replace(target)
        self.set_aside.append(target)


def _is_intact(path: Path) -> bool:
    try:
        return sha256_of(path) == path.stem
    except FileNotFoundError:  # another run has just set it aside
        return False
