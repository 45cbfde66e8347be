"""Scan: find the images of a folder and their classes, hash them, and find duplicates. Nothing is decoded."""

import hashlib
import os
import stat
from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Literal, NamedTuple

from convlens.core.errors import DataError, UsageError
from convlens.core.files import sha256_of
from convlens.core.kinds.kind import Labels, text_of
from convlens.core.progress import Progress, silent
from convlens.core.run import NO_LABEL, Problem
from convlens.data.archive import is_archive, unpacked
from convlens.data.foreign import DOCUMENT, FOREIGN, is_clutter, is_document, of_convlens
from convlens.data.label_table import LabelTable
from convlens.data.layout import BY_FOLDERS, Layout, grouped
from convlens.data.manifest import SIDE_NAMES, ImageFile, Manifest, Side
from convlens.data.walk import files_below, files_in, subfolders, why_left_out

_MOST_BYTES = 512 * 2**20
_READ_AT_ONCE = 2**20
_FILES_PER_TASK = 64
"""Handing a file to another thread costs as much as hashing a small one; several at once share that cost."""
_UNLISTED = "a folder that cannot be listed"
_BESIDE = "next to the class folders, not in one of them"

_Place = tuple[Path, Labels, Side | None]
"""A class folder, or a file, with its labels and side; the side is None where it is not split yet."""


def scan(folder: str | Path, progress: Progress = silent, layout: Layout = BY_FOLDERS) -> Manifest:
    """The manifest of a folder of images: one folder per class, or `train/`, `val/`, `test/` holding such.

    A class is the folder's name, images may lie deeper inside; `layout` names other ways to tell classes and groups.
    A zip or tar file of such a folder is unpacked into the cache first. Hidden files are skipped. Problems (not a
    plain file, not readable, duplicate, the same image under two labels, outside all classes, a folder that is left
    out because it is a run of ours, an environment or a repository) are listed, never raised. Raises UsageError where
    there is no such folder or it is a run itself, and DataError where it cannot be listed or holds no class folders,
    or one only; IntegrityError for an archive that is not safe to unpack.
    """
    manifest = labeled_images(folder, progress, layout)
    return manifest.without(duplicates(manifest.images)).with_usable_classes()


def labeled_images(folder: str | Path, progress: Progress = silent, layout: Layout = BY_FOLDERS) -> Manifest:
    """All that `scan` finds, duplicates included: for judging on images as they are. Raises what `scan` raises."""
    given = Path(folder).expanduser()
    root = unpacked(given) if is_archive(given) else given
    table = layout.table(root)
    try:
        _refuse_no_folder(root)
        listed, outside = _listed(root, layout, table)
    except OSError as error:
        raise DataError(
            f"cannot list {error.filename}: {error.strerror}. Give a folder of images that you may read."
        ) from error
    images, problems = _found(root, listed, progress)
    manifest = Manifest(
        folder=shown(given),
        classes=table.names if table else _names_of(listed.places),
        images=tuple(images),
        problems=(*problems, *outside),
        task=table.kind.name if table else "classification",
    )
    return grouped(manifest, layout, table)


class _Listing(NamedTuple):
    """The class folders (or labeled files), and the files that are to be read, each with label and side."""

    places: list[_Place]
    files: list[_Place]


def _listed(root: Path, layout: Layout, table: LabelTable | None) -> tuple[_Listing, list[Problem]]:
    if table is not None:
        return _labeled_files(root, table)
    places = _class_folders(root, layout.nested)
    outside = list((_outside_nested if layout.nested else _outside)(root, places))
    below = files_in if layout.nested else files_below
    return _Listing(places, [(file, labels, side) for path, labels, side in places for file in below(path)]), outside


def _labeled_files(root: Path, table: LabelTable) -> tuple[_Listing, list[Problem]]:
    """The files of the table, and as problems those it names twice and those of the folder that it does not name."""
    files: list[_Place] = []
    problems: list[Problem] = []
    there = set(table.sides.values())
    for file, labels in table.labels.items():
        if file in table.conflicts:
            both = f"{text_of(labels)!r} and {text_of(table.conflicts[file])!r} in the table of labels"
            problems.append(_unusable(file, "two-labels", both))
        else:
            files.append((root / file, labels, _as_given(table.sides[file], there)))
    named = {root / file for file in table.rows}
    itself = table.path.resolve()
    problems += [
        _passed_over(path, root, NO_LABEL, "not listed in the table of labels")
        for path in files_below(root)
        if path not in named and path.resolve() != itself
    ]
    return _Listing(files, files), problems


def _refuse_no_folder(root: Path) -> None:
    if not root.exists():
        raise UsageError(f"no such folder: {root}. Give a folder with one subfolder of images per class.")
    if not root.is_dir():
        raise UsageError(f"{root} is a file, not a folder. Give a folder with one subfolder of images per class.")
    if what := of_convlens(root):
        raise UsageError(
            f"{root} is {what}, not a folder of images. Give a folder with one subfolder of images per class."
        )


def _class_folders(root: Path, nested: bool) -> list[_Place]:
    """Each class folder with its label and side. `train/` is a side where it holds folders, else a class."""
    folders = subfolders(root)
    called = {path: SIDE_NAMES[path.name.lower()] for path in folders if path.name.lower() in SIDE_NAMES}
    sides = {path: side for path, side in called.items() if subfolders(path)}
    if "train" in sides.values():
        places: list[_Place] = [
            (inner, (label,), _as_given(side, sides.values()))
            for path, side in sides.items()
            for inner, label in _classes_of(path, nested)
        ]
    else:
        places = [(path, (label,), None) for path, label in _classes_of(root, nested)]
    _refuse_one_class(root, folders, _names_of(places))
    return places


def _as_given(side: Side | None, there: Collection[Side | None]) -> Side | None:
    """The side of images that were given one: where nothing else can be judged, those for training are to be split.

    A test side stays as it is, and so does a training side beside images that have none: these are split.
    """
    return None if side == "train" and not {"val", None} & set(there) else side


def _classes_of(folder: Path, nested: bool) -> list[tuple[Path, str]]:
    """The class folders in one that holds them, each with its label."""
    if not nested:
        return [(path, shown(Path(path.name))) for path in subfolders(folder)]
    files = (path for path in files_below(folder) if not path.is_dir() and not is_document(path))
    inside = sorted({path.parent for path in files} - {folder})
    return [(path, shown(path.relative_to(folder))) for path in inside]


def _names_of(places: Sequence[_Place]) -> tuple[str, ...]:
    return tuple(sorted({name for _, labels, _ in places for name in labels}))


def _refuse_one_class(root: Path, folders: list[Path], classes: Sequence[str]) -> None:
    if len(classes) < 2:
        what = f"one class folder only, {classes[0]!r}" if classes else "no class folders"
        inside = len(folders) == 1 and len(subfolders(folders[0])) > 1
        raise DataError(
            f"{root} holds {what}. At least two are needed: {root.name}/cats/*.jpg, {root.name}/dogs/*.jpg, or "
            f"{root.name}/train/cats/*.jpg and so on, with {root.name}/val/ beside train/."
            + _left_out(root)
            + (f" Did you mean {folders[0]}?" if inside else "")
        )


def _left_out(root: Path) -> str:
    """What is said of folders that might have been meant as classes."""
    inner = (path for path in sorted(root.iterdir()) if path.is_dir() and not is_clutter(path.name))
    told = [f"{shown(Path(path.name))} ({what})" for path in inner if (what := why_left_out(path))]
    return f" Left out: {', '.join(told)}." if told else ""


def _outside_nested(root: Path, places: list[_Place]) -> Iterator[Problem]:
    """Files in no class although every folder may be one: beside folders of classes, or beside train/."""
    classes = {path for path, _, _ in places}
    for path in files_below(root):
        if path.is_dir():
            yield _passed_over(path, root, "unreadable", _UNLISTED)
        elif path.parent not in classes:
            yield _passed_over(path, root, "no-class", _BESIDE)


def _outside(root: Path, places: list[_Place]) -> Iterator[Problem]:
    """What lies beside the class folders, and so belongs to no class."""
    classes = {path for path, _, _ in places}
    parents = {path.parent for path in classes}
    for folder in sorted({root, *parents}):
        for path in sorted(folder.iterdir()):
            if path in classes or path in parents or is_clutter(path.name):
                continue
            yield _passed_over(path, root, "no-class", _BESIDE)


def _passed_over(path: Path, root: Path, reason: str, detail: str) -> Problem:
    """The problem of what is of no class; what could never be of one has a reason of its own."""
    file = shown(path.relative_to(root))
    if path.is_dir() and (what := why_left_out(path)):
        return _unusable(file, FOREIGN, what)
    return _document(path, file) if is_document(path) else _unusable(file, reason, detail)


def _document(path: Path, file: str) -> Problem:
    return _unusable(file, DOCUMENT, f"a {path.suffix or path.name} file, not an image")


def _found(root: Path, listing: _Listing, progress: Progress) -> tuple[list[ImageFile], list[Problem]]:
    """Every file that is listed, hashed by several threads, in the order of the list."""
    listed = listing.files
    tasks = [listed[start : start + _FILES_PER_TASK] for start in range(0, len(listed), _FILES_PER_TASK)]
    images: list[ImageFile] = []
    problems: list[Problem] = []
    with ThreadPoolExecutor(os.cpu_count()) as pool, progress("scan", len(listed)) as advance:
        for outcomes in pool.map(lambda files: _outcomes(root, files), tasks):
            images += [outcome for outcome in outcomes if isinstance(outcome, ImageFile)]
            problems += [outcome for outcome in outcomes if isinstance(outcome, Problem)]
            advance(len(outcomes))
    return images, problems


def _outcomes(root: Path, files: Sequence[_Place]) -> list[ImageFile | Problem]:
    return [image_at(path, shown(path.relative_to(root)), labels, side) for path, labels, side in files]


def image_at(path: Path, file: str, labels: Labels = (), side: Side | None = None) -> ImageFile | Problem:
    """The file as an image with these labels, on that side, hashed but not decoded; or why it cannot be one."""
    try:
        info = path.stat()
        if stat.S_ISDIR(info.st_mode):
            what = why_left_out(path)
            return _unusable(file, FOREIGN, what) if what else _unusable(file, "unreadable", _UNLISTED)
        if is_document(path):
            return _document(path, file)
        if not stat.S_ISREG(info.st_mode):
            return _unusable(file, "not-a-file", "neither a plain file nor a link to one")
        if info.st_size == 0:
            return _unusable(file, "empty", "the file is empty")
        if info.st_size > _MOST_BYTES:
            return _unusable(file, "too-large", f"{info.st_size} bytes, over {_MOST_BYTES // 2**20} MiB")
        digest = _sha256(path, info.st_size)
    except OSError as error:
        return _unusable(file, "unreadable", error.strerror or str(error))
    return ImageFile(path=path, file=file, labels=labels, side=side, sha256=digest, bytes=info.st_size)


def _sha256(path: Path, size: int) -> str:
    """The SHA-256 of a file; a small one is read at once, which is twice as fast."""
    return hashlib.sha256(path.read_bytes()).hexdigest() if size <= _READ_AT_ONCE else sha256_of(path)


def shown(path: Path) -> str:
    """A path as text, with forward slashes, and with escapes for bytes that are not UTF-8."""
    return os.fsencode(path.as_posix()).decode("utf-8", "backslashreplace")


def duplicates(images: tuple[ImageFile, ...]) -> tuple[Problem, ...]:
    """What to leave out so that no bytes stand twice, on two sides, or under two labels."""
    groups: dict[str, list[ImageFile]] = {}
    for image in images:
        groups.setdefault(image.sha256, []).append(image)
    return tuple(problem for group in groups.values() if len(group) > 1 for problem in _duplicate_problems(group))


def _duplicate_problems(group: list[ImageFile]) -> Iterator[Problem]:
    first_of_labels = {image.labels: image for image in reversed(group)}
    if len(first_of_labels) > 1:
        one, other, *_ = first_of_labels.values()
        for image in group:
            twin = other if image.labels == one.labels else one
            yield _unusable(image.file, "two-labels", f"same bytes as {twin.file}; none of them is used")
        return
    # An image for judging stays where it is; its copy among the training images goes.
    order: dict[Side | None, Literal[0, 1, 2]] = {"test": 0, "val": 1, "train": 2, None: 2}
    kept = min(group, key=lambda image: order[image.side])
    for image in group:
        if image is not kept:
            yield _unusable(image.file, "duplicate", f"same bytes as {kept.file}")


def _unusable(file: str, reason: str, detail: str) -> Problem:
    return Problem(file=file, reason=reason, detail=detail, used=False)
