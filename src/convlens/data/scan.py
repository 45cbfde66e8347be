"""Scan: find the pictures of a folder and their classes, hash them, and find duplicates. Nothing is decoded."""

import hashlib
import os
import stat
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Literal

from convlens.core.errors import DataError, UsageError
from convlens.core.progress import Progress, silent
from convlens.core.run import Problem
from convlens.data.manifest import Manifest, Picture, Side

_SIDES: dict[str, Side] = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": "test",
    "testing": "test",
}
_CLUTTER = {"thumbs.db", "desktop.ini", "__macosx"}
_MOST_BYTES = 512 * 2**20


def scan(folder: str | Path, progress: Progress = silent) -> Manifest:
    """The manifest of a folder of pictures: one folder per class, or `train/`, `val/`, `test/` holding such.

    A class is the folder's name, pictures may lie deeper inside. Hidden files are skipped. Problems (not a plain
    file, not readable, duplicate, the same picture under two labels) are listed, never raised. Raises UsageError
    where there is no such folder, and DataError where it holds no class folders, or one only.
    """
    root = Path(folder).expanduser()
    if not root.exists():
        raise UsageError(f"no such folder: {root}. Give a folder with one folder of pictures per class.")
    if not root.is_dir():
        raise UsageError(
            f"{root} is a file, not a folder. Give a folder with one folder of pictures per class."
        )
    places = _class_folders(root)
    classes = tuple(sorted({label for _, label, _ in places}))
    found: list[Picture] = []
    problems: list[Problem] = []
    listed = [(file, label, side) for path, label, side in places for file in files_below(path)]
    with ThreadPoolExecutor(os.cpu_count()) as pool, progress("scan", len(listed)) as advance:
        for outcome in pool.map(lambda item: _labelled(root, *item), listed, chunksize=16):
            (found if isinstance(outcome, Picture) else problems).append(outcome)  # type: ignore[arg-type]
            advance(1)
    manifest = Manifest(folder=str(root), classes=classes, pictures=tuple(found), problems=tuple(problems))
    return manifest.without(_duplicates(manifest.pictures)).with_usable_classes()


def _class_folders(root: Path) -> list[tuple[Path, str, Side | None]]:
    """Each class folder with its label and side; the side is None where the folder is not split yet."""
    folders = _subfolders(root)
    sides = {path: _SIDES[path.name.lower()] for path in folders if path.name.lower() in _SIDES}
    if "train" in sides.values() and all(_subfolders(path) for path in sides):
        places: list[tuple[Path, str, Side | None]] = [
            (inner, shown(Path(inner.name)), side)
            for path, side in sides.items()
            for inner in _subfolders(path)
        ]
        if "val" not in sides.values():  # the training pictures are split, a test side stays as it is
            places = [(path, label, None if side == "train" else side) for path, label, side in places]
    else:
        places = [(path, shown(Path(path.name)), None) for path in folders]
    labels = sorted({label for _, label, _ in places})
    if len(labels) < 2:
        what = f"one class folder only, {labels[0]!r}" if labels else "no class folders"
        raise DataError(
            f"{root} holds {what}. At least two are needed: {root.name}/cats/*.jpg, {root.name}/dogs/*.jpg, or "
            f"{root.name}/train/cats/*.jpg and so on, with {root.name}/val/ beside train/."
        )
    return places


def _subfolders(path: Path) -> list[Path]:
    return sorted(inner for inner in path.iterdir() if inner.is_dir() and not _is_clutter(inner.name))


def _is_clutter(name: str) -> bool:
    return name.startswith(".") or name.lower() in _CLUTTER


def files_below(folder: Path) -> Iterator[Path]:
    """Every file below the folder, by name; a folder that links to one of its parents is entered once."""
    entered: set[tuple[int, int]] = set()
    for where, inner, names in os.walk(folder, followlinks=True):
        info = Path(where).stat()
        if (info.st_dev, info.st_ino) in entered:
            inner.clear()
            continue
        entered.add((info.st_dev, info.st_ino))
        inner[:] = sorted(name for name in inner if not _is_clutter(name))
        yield from (Path(where, name) for name in sorted(names) if not _is_clutter(name))


def _labelled(root: Path, path: Path, label: str, side: Side | None) -> Picture | Problem:
    return picture_at(path, shown(path.relative_to(root)), label, side)


def picture_at(path: Path, file: str, label: str = "", side: Side | None = None) -> Picture | Problem:
    """The file as a picture of that label and side, hashed but not decoded; or why it cannot be one."""
    try:
        info = path.stat()
        if not stat.S_ISREG(info.st_mode):
            return Problem(
                file=file, reason="not-a-file", detail="neither a plain file nor a link to one", used=False
            )
        if info.st_size == 0:
            return Problem(file=file, reason="empty", detail="the file has no bytes", used=False)
        if info.st_size > _MOST_BYTES:
            return Problem(
                file=file, reason="too-large", detail=f"{info.st_size} bytes, over 512 MiB", used=False
            )
        with path.open("rb") as opened:
            digest = hashlib.file_digest(opened, "sha256").hexdigest()
    except OSError as error:
        return Problem(file=file, reason="unreadable", detail=error.strerror or str(error), used=False)
    return Picture(path=path, file=file, label=label, side=side, sha256=digest, bytes=info.st_size)


def shown(path: Path) -> str:
    """A path as text, with forward slashes, and with escapes for bytes that are not UTF-8."""
    return os.fsencode(path.as_posix()).decode("utf-8", "backslashreplace")


def _duplicates(pictures: tuple[Picture, ...]) -> tuple[Problem, ...]:
    """What to leave out so that no bytes stand twice, on two sides, or under two labels."""
    groups: dict[str, list[Picture]] = {}
    for picture in pictures:
        groups.setdefault(picture.sha256, []).append(picture)
    return tuple(
        problem for group in groups.values() if len(group) > 1 for problem in _duplicate_problems(group)
    )


def _duplicate_problems(group: list[Picture]) -> Iterator[Problem]:
    if len({picture.label for picture in group}) > 1:
        for picture in group:
            other = next(one for one in group if one.label != picture.label)
            yield _problem(picture, "two-labels", f"same bytes as {other.file}; none of them is used")
        return
    # A picture for judging stays where it is; its copy among the training pictures goes.
    order: dict[Side | None, Literal[0, 1, 2]] = {"test": 0, "val": 1, "train": 2, None: 2}
    kept = min(group, key=lambda picture: order[picture.side])
    for picture in group:
        if picture is not kept:
            yield _problem(picture, "duplicate", f"same bytes as {kept.file}")


def _problem(picture: Picture, reason: str, detail: str) -> Problem:
    return Problem(file=picture.file, reason=reason, detail=detail, used=False)
