"""A split as a CSV file: saved with a run, and given back to another one. Images are known by their bytes."""

import csv
import dataclasses
import io
from pathlib import Path

from convlens.core.errors import DataError, UsageError
from convlens.core.kinds.kind import text_of
from convlens.core.settings import setting
from convlens.data.manifest import SIDES, Manifest, Side

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
    try:
        table = csv.DictReader(io.StringIO(path.read_text(encoding="utf-8-sig"), newline=""))
    except OSError as error:
        raise UsageError(
            f"cannot read {setting('split', path)}: {error.strerror}. Give the {SPLIT_FILE} of a run."
        ) from error
    except UnicodeDecodeError:
        raise DataError(f"{path} is not text in UTF-8. Give the {SPLIT_FILE} of a run.") from None
    known: dict[str, Side] = {side: side for side in SIDES}
    sides: dict[str, Side] = {}
    for row in table:
        sha256, side = row.get("sha256"), known.get(row.get("side") or "")
        if not sha256 or side is None:
            raise DataError(
                f"{path}, line {table.line_num}: needs the columns sha256 and side, of train, val or test. "
                f"Give the {SPLIT_FILE} of a run."
            )
        sides[sha256] = side
    return sides
