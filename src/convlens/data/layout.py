"""How a folder says which class an image is of, and which images belong together."""

import dataclasses
import re
from collections.abc import Callable
from pathlib import Path

from convlens.core.errors import UsageError
from convlens.core.settings import setting
from convlens.core.task import TaskName
from convlens.data.label_table import LabelTable, read_labels
from convlens.data.manifest import Manifest
from convlens.data.table_columns import Asked


@dataclasses.dataclass(frozen=True, kw_only=True)
class Layout:
    """Where classes and groups come from. By default a class is a folder, and every image is its own group."""

    labels: str | Path | None = None
    """A CSV file with a row for each image: its file below the folder, its label, perhaps its side and its group."""
    nested: bool = False
    """Every folder that holds images itself is a class, named by its path ("animals/cats")."""
    group_by: str = ""
    """A column of `labels`, or a regular expression of which the first group (or all that matches) is the group."""
    predefined_split: bool = True
    """Whether folders such as train/ and val/, or a column of `labels` such as split, say the sides."""
    file_column: str = ""
    """The column of `labels` that names the files; "" to find out."""
    task: TaskName | None = None
    """What the columns of `labels` hold; None to find out."""
    label_columns: tuple[str, ...] = ()
    """The columns of `labels` that are learned; none to find out."""
    usual_columns: tuple[str, ...] = ()
    """Those that are learned where `label_columns` names none and all of these are there."""
    least_classes: int = 2
    """How many class folders there have to be."""

    def table(self, folder: Path) -> LabelTable | None:
        """The table of labels of the images below the folder, if there is one. Raises what `read_labels` raises."""
        if not self.labels:
            return None
        path = Path(self.labels).expanduser()
        asked = Asked(
            file=self.file_column,
            learned=self.label_columns,
            usual=self.usual_columns,
            group=self.group_by,
            predefined_split=self.predefined_split,
        )
        return read_labels(path, folder, task=self.task, asked=asked)


BY_FOLDERS = Layout()


def columns_named(text: str) -> tuple[str, ...]:
    """The columns that a text names, with commas between them."""
    return tuple(name.strip() for name in text.split(",") if name.strip())


def grouped(manifest: Manifest, layout: Layout, table: LabelTable | None) -> Manifest:
    """The manifest with the group of every image. Raises UsageError where `group_by` finds no group at all."""
    if not layout.group_by:
        return manifest
    group_of = _group_of(layout.group_by, table)
    images = tuple(dataclasses.replace(one, group=group_of(one.file)) for one in manifest.images)
    if images and not any(one.group for one in images):
        raise UsageError(
            f"{setting('group_by', layout.group_by)} finds no group for any image, such as {images[0].file!r}. Give "
            f"a column of {setting('labels')}, or a regular expression such as '(video[0-9]+)_'."
        )
    return dataclasses.replace(manifest, images=images)


def _group_of(group_by: str, table: LabelTable | None) -> Callable[[str], str]:
    if table is not None and table.rows and group_by in next(iter(table.rows.values())):
        rows = table.rows
        return lambda file: (rows[file][group_by] or "").strip() if file in rows else ""
    try:
        pattern = re.compile(group_by)
    except re.error as error:
        raise UsageError(
            f"{setting('group_by', group_by)} is neither a column of {setting('labels')} nor a regular expression: "
            f"{error}."
        ) from None
    return lambda file: _matched(pattern, file)


def _matched(pattern: re.Pattern[str], file: str) -> str:
    found = pattern.search(file)
    if found is None:
        return ""
    return (found.group(1) or "") if pattern.groups else found.group(0)
