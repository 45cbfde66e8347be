"""Facts about evaluated images, by which their slices are made."""

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import PurePosixPath

from convlens.data.decode import thumbnail_from
from convlens.data.file_facts import FileFacts, file_facts
from convlens.data.looks import Look, look
from convlens.data.manifest import ImageFile

Fact = Sequence[float | str | None]
_FEW_VALUES = 10
"""Of a column in numbers, up to which each is a slice of its own."""


def slice_facts(images: Sequence[ImageFile], rows: Mapping[str, Mapping[str, str]]) -> dict[str, Fact]:
    """Folder, sizes, quality, camera and looks of images, and the columns of a table of labels, whose rows are by file.

    Raises OSError or BadImage for files that give no image.
    """
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        found = [*pool.map(_seen, images)]
    facts: dict[str, Fact] = {
        "folder": [PurePosixPath(image.file).parent.as_posix() for image in images],
        "file size in bytes": [one.bytes for one, _ in found],
        "megapixels": [one.megapixels for one, _ in found],
        "aspect ratio": [one.aspect_ratio for one, _ in found],
        "JPEG quality": [one.quality for one, _ in found],
        "camera": [one.camera or None for one, _ in found],
        "brightness": [one.brightness for _, one in found],
        "contrast": [one.contrast for _, one in found],
        "sharpness": [one.sharpness for _, one in found],
    }
    for column in sorted({name for row in rows.values() for name in row}):
        facts[f"column {column}"] = _column([rows.get(image.file, {}).get(column) or None for image in images])
    return facts


def _seen(image: ImageFile) -> tuple[FileFacts, Look]:
    return file_facts(image.path), look(thumbnail_from(image.path.read_bytes()))


def _column(cells: Sequence[str | None]) -> Fact:
    """In numbers where all cells are, and more than a few."""
    if len({*cells}) <= _FEW_VALUES:
        return cells
    try:
        return [None if cell is None else float(cell) for cell in cells]
    except ValueError:
        return cells
