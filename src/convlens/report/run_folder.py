"""What a run folder holds, read and checked, so that drawing the page cannot fail on it."""

import base64
from pathlib import Path

from convlens.core.errors import DataError
from convlens.core.run import METRICS_FILE, RUN_FILE, EpochMetrics, Evaluation, RunRecord

MAX_THUMBNAIL_BYTES = 256 * 1024
_JPEG_START = b"\xff\xd8\xff"


def read_run(run_folder: Path) -> RunRecord:
    """The record in run.json. Raises DataError when it is missing, damaged or contradicts itself."""
    path = run_folder / RUN_FILE
    record = RunRecord.from_json(_bytes_of(path), str(path))
    _check_evaluation(record.validation, "validation", record.classes, path)
    if record.test:
        _check_evaluation(record.test, "test", record.classes, path)
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
    return f"data:image/jpeg;base64,{base64.b64encode(data).decode()}"


def _bytes_of(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataError(
            f"cannot read {path} ({error.strerror}). A report is drawn from the records of a "
            "finished run; name the folder of such a run, or train again."
        ) from error


def _check_evaluation(evaluation: Evaluation, name: str, classes: list[str], path: Path) -> None:
    sizes = {
        f"{name}.confusion": [len(evaluation.confusion), *map(len, evaluation.confusion)],
        f"{name}.per_class": [len(evaluation.per_class)],
    }
    for field, found in sizes.items():
        wrong = [size for size in found if size != len(classes)]
        if wrong:
            raise DataError(
                f"{path} contradicts itself: {len(classes)} classes, but {wrong[0]} entries in {field}. "
                "The file is damaged; train again."
            )
    roc = evaluation.roc
    if roc and len(roc.false_positive_rate) != len(roc.true_positive_rate):
        raise DataError(
            f"{path} contradicts itself: {name}.roc has {len(roc.false_positive_rate)} false positive rates "
            f"and {len(roc.true_positive_rate)} true positive rates. The file is damaged; train again."
        )
