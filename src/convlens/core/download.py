"""Download one file over HTTP: resumed where it broke, verified by its SHA-256, and only then under its name."""

import contextlib
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path
from typing import NamedTuple

import httpx2
from filelock import FileLock

from convlens.core.errors import IntegrityError, NetworkError
from convlens.core.files import disk_errors_named, sha256_of
from convlens.core.http import TIMEOUT, PassingError, patiently, refuse_passing, said
from convlens.core.progress import Advance, Progress, silent

PART_SUFFIX = ".part"

_BLOCK_BYTES = 1 << 18


class Source(NamedTuple):
    """Where a file comes from, and the hash that proves it."""

    url: str
    """On a server; of a file that an installed package holds, the package."""
    sha256: str
    """All 64 hexadecimal digits, or the first eight or more where no more are known."""


class _LateProgress(contextlib.ExitStack):
    """The stage "download", opened when the first answer shows how long the file is; counts every byte once."""

    def __init__(self, progress: Progress) -> None:
        super().__init__()
        self._progress = progress
        self._advance: Advance | None = None
        self._done = 0

    def at(self, have: int, total: int = 0) -> None:
        """So many bytes are there."""
        if self._advance is None:
            self._advance = self.enter_context(self._progress("download", total))
        self._advance(max(0, have - self._done))
        self._done = max(have, self._done)


def download(source: Source, path: Path, progress: Progress = silent, *, pause: float = 1.0) -> None:
    """Bring the file of `source` to `path`, unless it is there already.

    What has come lies in a file beside it, so that a broken download goes on where it broke, also in another
    process; one process at a time works on it. Connections that break and answers 408, 425, 429 and 5xx are tried
    five times in all, after pauses that start at about `pause` seconds and double; Retry-After is honored.

    Raises NetworkError when the file cannot be had, IntegrityError when it is another one than the hash says (it is
    removed then), MachineError when the disk is full.
    """
    part = path.with_name(path.name + PART_SUFFIX)
    with disk_errors_named(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{part}.lock"):
            if not path.exists():
                _fetch(source, part, progress, pause)
                verify(part, source)
                part.replace(path)


def verify(path: Path, source: Source, *, advice: str = "") -> None:
    """Raise IntegrityError when the file's SHA-256 is not that of the source.

    The message ends with `advice`; without any, the file is one that was just downloaded, and is removed.
    """
    digest = sha256_of(path)
    if digest.startswith(source.sha256.lower()):
        return
    if not advice:
        path.unlink()
        advice = "It was removed. Try again; if this happens again, the file on the server has changed."
    raise IntegrityError(
        f"refused {path.name} of {source.url}: its SHA-256 is {digest}, and {source.sha256} was expected. Nothing in "
        f"it was opened. {advice}"
    )


def _fetch(source: Source, part: Path, progress: Progress, pause: float) -> None:
    """All bytes of the source into `part`, with patience."""
    with _LateProgress(progress) as shown:
        try:
            patiently(lambda: _one_attempt(source, part, shown), pause)
        except (PassingError, httpx2.TransportError) as trouble:
            raise _unreachable(source, str(trouble) or type(trouble).__name__) from trouble


def _one_attempt(source: Source, part: Path, shown: "_LateProgress") -> None:
    have = part.stat().st_size if part.exists() else 0
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={have}-"} if have else {})
    with _answer(source.url, headers) as answer:
        if answer.status_code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            if _total(answer) == have:
                return
            part.unlink()
            raise PassingError("the partial file did not match the file on the server", wait=0)
        _refuse_failure(source, answer)
        continued = answer.status_code == HTTPStatus.PARTIAL_CONTENT and _start(answer) == have
        if answer.status_code == HTTPStatus.PARTIAL_CONTENT and not continued:
            part.unlink(missing_ok=True)
            raise PassingError(f"the server sent the part {answer.headers.get('Content-Range')}", wait=0)
        have = have if continued else 0
        shown.at(have, have + int(answer.headers.get("Content-Length", 0)))
        with part.open("ab" if continued else "wb") as file:
            for block in answer.iter_raw(_BLOCK_BYTES):
                file.write(block)
                have += len(block)
                shown.at(have)


@contextlib.contextmanager
def _answer(url: str, headers: dict[str, str]) -> Iterator[httpx2.Response]:
    with (
        httpx2.Client(timeout=TIMEOUT, follow_redirects=True, max_redirects=5) as client,
        client.stream("GET", url, headers=headers) as answer,
    ):
        yield answer


def _refuse_failure(source: Source, answer: httpx2.Response) -> None:
    refuse_passing(answer)
    if not answer.is_success:
        raise _unreachable(source, said(answer))


def _start(answer: httpx2.Response) -> int | None:
    """Where the part of an answer begins: `Content-Range: bytes 100-199/200`."""
    start = answer.headers.get("Content-Range", "").removeprefix("bytes ").partition("-")[0]
    return int(start) if start.isdigit() else None


def _total(answer: httpx2.Response) -> int | None:
    """How long the whole file is: `Content-Range: bytes */200`."""
    total = answer.headers.get("Content-Range", "").rpartition("/")[2]
    return int(total) if total.isdigit() else None


def _unreachable(source: Source, reason: str) -> NetworkError:
    return NetworkError(f"cannot download {source.url}: {reason}.")
