"""What a run folder holds, read and checked, so that drawing the page cannot fail on it."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

from convlens.core.errors import DataError
from convlens.core.run import (
    METRICS_FILE,
    PREDICTIONS_FILE,
    RUN_FILE,
    EpochMetrics,
    RunRecord,
)
from convlens.report.formatting import jpeg_uri

MAX_THUMBNAIL_BYTES = 256 * 1024
_JPEG_START = b"\xff\xd8\xff"


def read_run(run_folder: Path) -> RunRecord:
    """The record in run.json. Raises DataError when it is missing, damaged or contradicts itself."""
    path = run_folder / RUN_FILE
    record = RunRecord.from_json(_bytes_of(path), str(path))
    for name, evaluation in (("validation", record.validation), ("test", record.test)):
        if evaluation:
            _check_sizes(
                {f"{name}.{field}": sizes for field, sizes in evaluation.sizes().items()}, record.classes, path
            )
            if wrong := evaluation.contradiction():
                raise DataError(f"{path} contradicts itself: {name}.{wrong}. The file is damaged; train again.")
    return record


def read_epochs(run_folder: Path) -> list[EpochMetrics]:
    """The lines of metrics.jsonl, in order. Raises DataError when it is missing or a line is damaged."""
    path = run_folder / METRICS_FILE
    lines = _bytes_of(path).splitlines()
    return [
        EpochMetrics.from_json(line, f"{path}, line {place}")
        for place, line in enumerate(lines, start=1)
        if line.strip()
    ]


def read_numbers(run_folder: Path, names: Sequence[str], side: str) -> list[tuple[list[float], list[float]]]:
    """The true and the predicted values of each number for the images of one side, from predictions.csv.

    Empty where that file is missing or another one: the page goes without what it would draw of them.
    """
    try:
        with (run_folder / PREDICTIONS_FILE).open(newline="", encoding="utf-8") as file:
            rows = [row for row in csv.DictReader(file) if row["side"] == side]
        return [(_column(rows, f"true {name}"), _column(rows, f"predicted {name}")) for name in names]
    except (OSError, ValueError, KeyError, TypeError, csv.Error):
        return []


def _column(rows: Sequence[Mapping[str, str]], name: str) -> list[float]:
    return [float(row[name]) for row in rows]


def read_thumbnail(run_folder: Path, name: str) -> str | None:
    """The JPEG file `name` of the run folder as a data URI; None when it is missing or not a small JPEG file.

    A name that leads out of the run folder counts as missing: run.json may come from somebody else, and a
    report must not carry away files of this machine.
    """
    try:
        path = (run_folder / name).resolve()
        inside = path.is_relative_to(run_folder.resolve())
        data = path.read_bytes() if inside and path.stat().st_size <= MAX_THUMBNAIL_BYTES else b""
    except (OSError, ValueError):
        return None
    if not data.startswith(_JPEG_START):
        return None
    return jpeg_uri(data)


def _bytes_of(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataError(
            f"cannot read {path} ({error.strerror}). A report is drawn from the records of a "
            "finished run; name the folder of such a run, or train again."
        ) from error


def _check_sizes(sizes: dict[str, list[int]], classes: list[str], path: Path) -> None:
    for field, found in sizes.items():
        wrong = [size for size in found if size != len(classes)]
        if wrong:
            raise DataError(
                f"{path} contradicts itself: {len(classes)} classes, but {wrong[0]} entries in {field}. "
                "The file is damaged; train again."
            )
