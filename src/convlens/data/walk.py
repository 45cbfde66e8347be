"""The files and folders below a folder of images, in the order of their names, without what is never images."""

import os
from collections.abc import Iterator
from pathlib import Path

from convlens.data.foreign import foreign, is_clutter, is_document, is_empty_runs


def files_below(folder: Path) -> Iterator[Path]:
    """Every file below the folder, by name, and at the end the folders that are not entered.

    These are the ones that cannot be listed, and those that are foreign: `why_left_out` says which. A folder that
    links to one of its parents is not entered: it would bring other classes' images.
    """
    entered = {_identity(parent) for parent in folder.resolve().parents}
    closed: list[Path] = []

    def unlisted(error: OSError) -> None:
        closed.append(Path(error.filename))

    for where, inner, names in os.walk(folder, onerror=unlisted, followlinks=True):
        if (identity := _identity(Path(where))) in entered:
            inner.clear()
            continue
        entered.add(identity)
        seen = sorted(name for name in inner if not is_clutter(name))
        left_out = {name for name in seen if foreign(Path(where, name))}
        closed += [Path(where, name) for name in seen if name in left_out]
        inner[:] = [name for name in seen if name not in left_out]
        yield from (Path(where, name) for name in sorted(names) if not is_clutter(name))
    yield from closed


def files_in(folder: Path) -> Iterator[Path]:
    """The files that lie in the folder itself, by name."""
    return (path for path in sorted(folder.iterdir()) if not path.is_dir() and not is_clutter(path.name))


def subfolders(folder: Path) -> list[Path]:
    """The folders in the folder that may hold images, by name."""
    with os.scandir(folder) as entries:  # which knows folders from files without asking for each
        inner = sorted(folder / entry.name for entry in entries if entry.is_dir() and not is_clutter(entry.name))
    return [path for path in inner if not why_left_out(path) and not is_empty_runs(path)]


def why_left_out(folder: Path) -> str | None:
    """Why nothing in a folder is an image of anybody's: what it is itself, or all that it holds; else None."""
    return foreign(folder) or _all_foreign(folder)


def only_documents(folder: Path) -> bool:
    """Whether there are files in a folder and all of them are documents, such as annotations."""
    documents = 0
    for path in files_below(folder):
        if path.is_dir() or not is_document(path):
            return False
        documents += 1
    return documents > 0


def _all_foreign(folder: Path) -> str | None:
    """For a folder such as runs/, which holds foreign folders and perhaps documents, and nothing else."""
    found = None
    for path in files_below(folder):
        if not path.is_dir():
            if not is_document(path):
                return None
        elif what := foreign(path):
            found = found or what
        else:
            return None
    return f"holds no images of its own, only such as {found}" if found else None


def _identity(folder: Path) -> tuple[int, int]:
    info = folder.stat()
    return info.st_dev, info.st_ino


def shown(path: Path) -> str:
    """A path as text, with forward slashes, and with escapes for bytes that are not UTF-8."""
    return os.fsencode(path.as_posix()).decode("utf-8", "backslashreplace")
