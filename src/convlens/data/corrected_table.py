"""A corrected table of labels: what a folder's images are after a review, as `read_labels` reads it."""

import csv
import io
from collections.abc import Iterator, Mapping, Sequence

from convlens.core.kinds.kind import text_of
from convlens.data.manifest import ImageFile


def corrected_table(images: Sequence[ImageFile], changes: Mapping[str, str | None], group_column: str = "") -> str:
    """The table in CSV: a row for each image, with the class it is given by `changes`, where it stands there by its
    file; those that are given None are left out. What is known of sides and groups stands there, too."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(table_columns(images, group_column))
    writer.writerows(_rows(images, changes, group_column))
    return text.getvalue()


def table_columns(images: Sequence[ImageFile], group_column: str = "") -> list[str]:
    """The header of such a table."""
    split = ["split"] if any(image.side for image in images) else []
    return ["file", "label", *split, *([group_column] if group_column else [])]


def further_cells(image: ImageFile, columns: Sequence[str]) -> list[str]:
    """What stands in an image's row behind its label."""
    return [image.side or "" if name == "split" else image.group for name in columns[2:]]


def _rows(images: Sequence[ImageFile], changes: Mapping[str, str | None], group_column: str) -> Iterator[list[str]]:
    columns = table_columns(images, group_column)
    for image in images:
        label = changes.get(image.file, text_of(image.labels))
        if label is not None:
            yield [image.file, label, *further_cells(image, columns)]
