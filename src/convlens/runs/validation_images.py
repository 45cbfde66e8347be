"""The validation images of a finished run, found again by their bytes, with what the run answered to them."""

import csv
import hashlib
from pathlib import Path
from typing import NamedTuple

from convlens.core.errors import DataError
from convlens.core.run import PREDICTIONS_FILE, RUN_FILE, RunRecord
from convlens.data.split_file import SPLIT_FILE


class ValidationImage(NamedTuple):
    """The bytes of an image's file, and what the run answered to it."""

    file: str
    data: bytes
    answers: list[float]
    """Of predictions.csv: one for each output of the network."""


def read_run_record(folder: Path) -> RunRecord:
    """run.json of a run folder. Raises DataError where it cannot be read."""
    path = folder / RUN_FILE
    return RunRecord.from_json(_text(path), str(path))


def validation_images(folder: Path, record: RunRecord) -> tuple[list[ValidationImage], int]:
    """Those that are still where they were, unchanged, and how many are not. Raises DataError for damaged tables."""
    answers = _answers(folder / PREDICTIONS_FILE, record.classes)
    found: list[ValidationImage] = []
    for file, sha256 in _validated(folder / SPLIT_FILE).items():
        data = _bytes(Path(record.folder) / file)
        if data is not None and hashlib.sha256(data).hexdigest() == sha256 and file in answers:
            found.append(ValidationImage(file, data, answers[file]))
    return found, len(answers) - len(found)


def _validated(path: Path) -> dict[str, str]:
    """The hash of each file's bytes."""
    try:
        return {row["file"]: row["sha256"] for row in _rows(path) if row["side"] == "val"}
    except KeyError as error:
        raise DataError(f"{path} has no column {error}. The run is damaged; train it again.") from error


def _answers(path: Path, names: list[str]) -> dict[str, list[float]]:
    """Probabilities, or predicted numbers, by file."""
    try:
        rows = [row for row in _rows(path) if row["side"] == "val"]
        columns = [f"p({name})" if rows and f"p({name})" in rows[0] else f"predicted {name}" for name in names]
        return {row["file"]: [float(row[column]) for column in columns] for row in rows}
    except (KeyError, ValueError) as error:
        raise DataError(f"{path} lacks answers ({error}). The run is damaged; train it again.") from error


def _rows(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(_text(path).splitlines(keepends=True)))


def _text(path: Path) -> str:
    try:
        return path.read_bytes().decode()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"cannot read {path} ({error}). The run is damaged; train it again.") from error


def _bytes(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:
        return None
