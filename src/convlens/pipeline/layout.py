"""Asked layout: where classes come from, as the options of commands say."""

from pathlib import Path

from convlens.core.errors import UsageError, unknown_name
from convlens.core.settings import setting
from convlens.core.task import TASK_NAMES, present_task_name
from convlens.data.layout import Layout, columns_named


def asked_layout(
    labels: str | Path | None, *, nested: bool = False, task: str = "auto", label_columns: str = ""
) -> Layout:
    """The layout that options of these names ask for.

    Raises UsageError for a `task` that there is not, and where settings of a table are given and no table.
    """
    name = next((name for name in TASK_NAMES if name == present_task_name(task)), None)
    if name is None and task != "auto":
        raise unknown_name(setting("task"), task, ("auto", *TASK_NAMES))
    if not labels and (name or label_columns):
        option = setting("task", task) if name else setting("label_columns", label_columns)
        raise UsageError(f"{option} needs a table of labels: give one ({setting('labels')}), or leave it out.")
    return Layout(labels=labels, nested=nested, task=name, label_columns=columns_named(label_columns))
