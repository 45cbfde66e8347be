"""Scan: find the images of a folder and their classes, hash them, and find duplicates. Nothing is decoded."""

import dataclasses
import hashlib
import os
import stat
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Literal, NamedTuple

from convlens.core.errors import DataError, UsageError
from convlens.core.files import sha256_of
from convlens.core.kinds.kind import Labels, text_of
from convlens.core.progress import Progress, silent
from convlens.core.run import NO_LABEL, Problem
from convlens.data.archive import folder_of
from convlens.data.class_folders import as_given, class_folders, names_of
from convlens.data.foreign import DOCUMENT, FOREIGN, is_clutter, is_document, is_empty_runs, of_convlens
from convlens.data.label_table import LabelTable
from convlens.data.layout import BY_FOLDERS, Layout, grouped
from convlens.data.manifest import ImageFile, Manifest, Place, Side
from convlens.data.walk import files_below, files_in, only_documents, shown, why_left_out

_MOST_BYTES = 512 * 2**20
_READ_AT_ONCE = 2**20
_FILES_PER_TASK = 64
"""Handing a file to another thread costs as much as hashing a small one; several at once share that cost."""
_UNLISTED = "a folder that cannot be listed"
_BESIDE = "next to the class folders, not in one of them"


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
    root = folder_of(given)
    try:
        _refuse_no_folder(root)
        table = layout.table(root)
        listed, outside = _listed(root, layout, table)
    except OSError as error:
        raise DataError(
            f"cannot list {error.filename}: {error.strerror}. Give a folder of images that you may read."
        ) from error
    images, problems = _found(root, listed, progress)
    manifest = Manifest(
        folder=shown(given),
        classes=table.names if table else names_of(listed.places),
        images=tuple(images),
        problems=(*problems, *outside),
        task=table.kind.name if table else "classification",
        table=shown(table.path) if table else "",
        notices=listed.notices,
    )
    return grouped(manifest, layout, table)


class _Listing(NamedTuple):
    """The class folders (or labeled files), the files that are to be read, each with label and side, and notices."""

    places: list[Place]
    files: list[Place]
    notices: tuple[str, ...]


def _listed(root: Path, layout: Layout, table: LabelTable | None) -> tuple[_Listing, list[Problem]]:
    if table is not None:
        return _labeled_files(root, table)
    places, notices = class_folders(
        root, nested=layout.nested, predefined_split=layout.predefined_split, least=layout.least_classes
    )
    outside = list((_outside_nested if layout.nested else _outside)(root, places))
    below = files_in if layout.nested else files_below
    files = [(file, labels, side) for path, labels, side in places for file in below(path)]
    return _Listing(places, files, notices), outside


def _labeled_files(root: Path, table: LabelTable) -> tuple[_Listing, list[Problem]]:
    """The files of the table, and as problems those it names twice and those of the folder that it does not name."""
    files: list[Place] = []
    problems: list[Problem] = []
    there = set(table.sides.values())
    for file, labels in table.labels.items():
        if file in table.missing:
            problems.append(_unusable(file, "unreadable", table.missing[file]))
        elif file in table.conflicts:
            both = f"{text_of(labels)!r} and {text_of(table.conflicts[file])!r} in the table of labels"
            problems.append(_unusable(file, "two-labels", both))
        else:
            files.append((root / file, labels, as_given(table.sides[file], there)))
    named = {root / file for file in table.rows if file not in table.missing}
    itself = table.path.resolve()
    problems += [
        _passed_over(path, root, NO_LABEL, "not listed in the table of labels")
        for path in files_below(root)
        if path not in named and path.resolve() != itself
    ]
    return _Listing(files, files, table.notices), problems


def _refuse_no_folder(root: Path) -> None:
    if not root.exists():
        raise UsageError(f"no such folder: {root}. Give a folder with one subfolder of images per class.")
    if not root.is_dir():
        raise UsageError(f"{root} is a file, not a folder. Give a folder with one subfolder of images per class.")
    if what := of_convlens(root):
        raise UsageError(
            f"{root} is {what}, not a folder of images. Give a folder with one subfolder of images per class."
        )


def _outside_nested(root: Path, places: list[Place]) -> Iterator[Problem]:
    """Files in no class although every folder may be one: beside folders of classes, or beside train/."""
    classes = {path for path, _, _ in places}
    for path in files_below(root):
        if path.is_dir():
            yield _passed_over(path, root, "unreadable", _UNLISTED)
        elif path.parent not in classes:
            yield _passed_over(path, root, "no-class", _BESIDE)


def _outside(root: Path, places: list[Place]) -> Iterator[Problem]:
    """What lies beside the class folders, and so belongs to no class."""
    classes = {path for path, _, _ in places}
    parents = {above for path in classes for above in path.parents if above.is_relative_to(root)}
    for folder in sorted({root, *parents}):
        for path in sorted(folder.iterdir()):
            if path in classes or path in parents or is_clutter(path.name) or is_empty_runs(path):
                continue
            yield _passed_over(path, root, "no-class", _BESIDE)


def _passed_over(path: Path, root: Path, reason: str, detail: str) -> Problem:
    """The problem of what is of no class; what could never be of one has a reason of its own."""
    file = shown(path.relative_to(root))
    if path.is_dir() and (what := why_left_out(path)):
        return _unusable(file, FOREIGN, what)
    if path.is_dir() and only_documents(path):
        return _unusable(file, DOCUMENT, "a folder of documents, not of images")
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


def _outcomes(root: Path, files: Sequence[Place]) -> list[ImageFile | Problem]:
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


def unlabeled_images(paths: Sequence[str | Path]) -> tuple[list[ImageFile], list[Problem]]:
    """The files, and those below the folders, as images without labels; and why some cannot be any.

    Runs of convlens in the folders are left out. Raises UsageError for a path that does not exist.
    """
    images: list[ImageFile] = []
    problems: list[Problem] = []
    for path in _expanded(paths):
        one = image_at(path, shown(path))
        if isinstance(one, ImageFile):
            images.append(one)
        else:
            problems.append(one)
    return images, problems


def named_from(folder: str | Path, images: Sequence[ImageFile]) -> list[ImageFile]:
    """Images below a folder, with their paths from it on for names, as tables of labels have them."""
    root = Path(folder).expanduser()
    return [dataclasses.replace(one, file=shown(one.path.relative_to(root))) for one in images]


def _expanded(paths: Sequence[str | Path]) -> Iterator[Path]:
    for given in paths:
        path = Path(given).expanduser()
        if path.is_dir() and not of_convlens(path):
            yield from files_below(path)
        elif path.exists():
            yield path
        else:
            raise UsageError(f"no such image: {path}. Give image files, or folders of images.")


def _sha256(path: Path, size: int) -> str:
    """The SHA-256 of a file; a small one is read at once, which is twice as fast."""
    return hashlib.sha256(path.read_bytes()).hexdigest() if size <= _READ_AT_ONCE else sha256_of(path)


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
