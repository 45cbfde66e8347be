"""A corrected table of labels: what a folder's images are after a review, as `read_labels` reads it."""

import csv
import dataclasses
import io
from collections.abc import Mapping, Sequence
from typing import Self

from convlens.core.errors import DataError, UsageError
from convlens.core.kinds.columns import Cell, is_missing
from convlens.core.kinds.kind import text_of
from convlens.core.kinds.registry import kind_of
from convlens.data.manifest import ImageFile

_LABEL = "label"


@dataclasses.dataclass(frozen=True, kw_only=True)
class LabelRows:
    """A table of labels as it is written: a row for each image with its file, its label, and what else is known."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    @classmethod
    def of(cls, images: Sequence[ImageFile], group_column: str = "") -> Self:
        """Of all images, with their sides where some have one, and their groups where these have a column."""
        sides = any(image.side for image in images)
        rows = (
            (
                image.file,
                text_of(image.labels),
                *((image.side or "",) if sides else ()),
                *((image.group,) if group_column else ()),
            )
            for image in images
        )
        further = (*(("split",) if sides else ()), *((group_column,) if group_column else ()))
        return cls(columns=("file", _LABEL, *further), rows=tuple(rows))

    def with_labels(self, changes: Mapping[str, str]) -> Self:
        """The same with other labels of some files."""
        rows = ((file, changes.get(file, label), *further) for file, label, *further in self.rows)
        return dataclasses.replace(self, rows=tuple(rows))

    def to_csv(self) -> str:
        """The text of the file."""
        text = io.StringIO(newline="")
        writer = csv.writer(text)
        writer.writerow(self.columns)
        writer.writerows(self.rows)
        return text.getvalue()


def are_ambiguous(classes: Sequence[str]) -> bool:
    """Whether a table with these classes is taken for something else than classes unless that is said."""
    if any(is_missing(name) for name in classes):
        return True
    cells = {_LABEL: [Cell(line, name) for line, name in enumerate(classes, 2)]}
    try:
        kind = kind_of(cells, None)
        return not kind.exclusive or [text_of(labels) for labels in kind.read(cells, asked=False)[0]] != list(classes)
    except (DataError, UsageError):
        return True
