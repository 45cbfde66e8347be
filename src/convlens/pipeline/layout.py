"""Asked layout: where classes come from, as the options of commands say."""

from pathlib import Path

from convlens.core.errors import UsageError, unknown_name
from convlens.core.target import TARGET_KINDS
from convlens.data.layout import Layout, columns_named


def asked_layout(
    labels: str | Path | None, *, nested: bool = False, learn: str = "auto", label_columns: str = ""
) -> Layout:
    """The layout that options of these names ask for.

    Raises UsageError for a `learn` that there is not, and where a table is told about and none is given.
    """
    kind = next((kind for kind in TARGET_KINDS if kind == learn), None)
    if kind is None and learn != "auto":
        raise unknown_name("--learn", learn, ("auto", *TARGET_KINDS))
    if not labels and (kind or label_columns):
        option = f"--learn {learn}" if kind else f"--label-columns {label_columns}"
        raise UsageError(f"{option} tells about a table of labels: give it with --labels CSV, or leave the option out.")
    return Layout(labels=labels, nested=nested, learn=kind, label_columns=columns_named(label_columns))
