"""A split as a CSV file: saved with a run, and given back to another one. Images are known by their bytes."""

import csv
import dataclasses
import io
from collections.abc import Iterator
from pathlib import Path

from convlens.core.errors import DataError, UsageError
from convlens.core.kinds.kind import Kind, text_of
from convlens.core.settings import setting
from convlens.data.manifest import SIDES, ImageFile, Manifest, Side

SPLIT_FILE = "split.csv"
_COLUMNS = ("sha256", "side", "label", "file", "group")


def split_table(manifest: Manifest) -> str:
    """The split as CSV: the hash of each image's bytes, its side, and for people its label, file and group."""
    text = io.StringIO(newline="")
    table = csv.writer(text)
    table.writerow(_COLUMNS)
    table.writerows((one.sha256, one.side or "", text_of(one.labels), one.file, one.group) for one in manifest.images)
    return text.getvalue()


def split_given_back(manifest: Manifest, path: Path) -> Manifest:
    """The manifest with the sides that the file names, whatever the folders say; no side for images it lacks.

    Raises UsageError where there is no such file, DataError where it is no split or names none of the images.
    """
    sides = read_split(path)
    images = tuple(dataclasses.replace(one, side=sides.get(one.sha256)) for one in manifest.images)
    if not any(one.side for one in images):
        raise DataError(
            f"{path} names none of the {len(images)} images of {manifest.folder}. It is the split of other "
            f"images; give the {SPLIT_FILE} of a run on these."
        )
    return dataclasses.replace(manifest, images=images)


def read_split(path: Path) -> dict[str, Side]:
    """The side of each image by its hash. Raises UsageError where there is no such file, DataError for no split."""
    return {sha256: side for sha256, side, _ in _rows(path)}


def images_in_split(path: Path, folder: Path, kind: Kind) -> tuple[ImageFile, ...]:
    """The images of the split of a run on `folder`, as they were then; whether they are still there is not tried.

    Raises as `read_split`.
    """
    return tuple(
        ImageFile(
            path=folder / row["file"],
            file=row["file"],
            labels=kind.labels_in(row["label"]),
            side=side,
            sha256=sha256,
            bytes=0,
            group=row.get("group") or "",
        )
        for sha256, side, row in _rows(path)
    )


def _rows(path: Path) -> Iterator[tuple[str, Side, dict[str, str]]]:
    try:
        table = csv.DictReader(io.StringIO(path.read_text(encoding="utf-8-sig"), newline=""))
    except OSError as error:
        raise UsageError(
            f"cannot read {setting('split', path)}: {error.strerror}. Give the {SPLIT_FILE} of a run."
        ) from error
    except UnicodeDecodeError:
        raise DataError(f"{path} is not text in UTF-8. Give the {SPLIT_FILE} of a run.") from None
    known: dict[str, Side] = {side: side for side in SIDES}
    for row in table:
        sha256, side = row.get("sha256"), known.get(row.get("side") or "")
        if not sha256 or side is None:
            raise DataError(
                f"{path}, line {table.line_num}: needs the columns sha256 and side, of train, val or test. "
                f"Give the {SPLIT_FILE} of a run."
            )
        yield sha256, side, row
