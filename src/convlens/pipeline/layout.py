"""Asked layout: where classes come from, as the options of commands say."""

from pathlib import Path

from convlens.core.errors import UsageError, unknown_name
from convlens.core.settings import setting
from convlens.core.task import TASK_NAMES, present_task_name
from convlens.data.layout import Layout, columns_named


def asked_layout(
    labels: str | Path | None,
    *,
    file_column: str = "",
    task: str = "auto",
    label_columns: str = "",
    nested: bool = False,
    predefined_split: bool = True,
) -> Layout:
    """The layout that options of these names ask for.

    Raises UsageError for a `task` that there is not, and where settings of a table are given and no table.
    """
    name = next((name for name in TASK_NAMES if name == present_task_name(task)), None)
    if name is None and task != "auto":
        raise unknown_name(setting("task"), task, ("auto", *TASK_NAMES))
    if not labels and (name or label_columns or file_column):
        told = {"task": name and task, "label_columns": label_columns, "file_column": file_column}
        option = next(setting(one, value) for one, value in told.items() if value)
        raise UsageError(f"{option} needs a table of labels: give one ({setting('labels')}), or leave it out.")
    return Layout(
        labels=labels,
        file_column=file_column,
        task=name,
        label_columns=columns_named(label_columns),
        nested=nested,
        predefined_split=predefined_split,
    )
