"""The validation images of a finished run, found again by their bytes, with what the run answered to them."""

import csv
import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from convlens.core.errors import DataError
from convlens.core.kinds.kind import Kind, Labels
from convlens.core.run import PREDICTIONS_FILE
from convlens.data.split_file import SPLIT_FILE


class ValidationImage(NamedTuple):
    """The bytes of an image's file, and what the run answered to it."""

    file: str
    data: bytes
    answers: list[float]
    """Of predictions.csv: one for each output of the network."""


def validated_hashes(run_folder: Path) -> dict[str, str]:
    """The SHA-256 of each validation image's bytes, by file. Raises DataError where split.csv cannot be read."""
    return hashes_of_side(run_folder, "val")


def hashes_of_side(run_folder: Path, side: str) -> dict[str, str]:
    """The same of the images of another side: train, val or test."""
    path = run_folder / SPLIT_FILE
    try:
        return {row["file"]: row["sha256"] for row in _rows(path) if row["side"] == side}
    except KeyError as error:
        raise DataError(f"{path} has no column {error}. The run is damaged; train it again.") from error


def validation_answers(run_folder: Path, names: Sequence[str]) -> dict[str, list[float]]:
    """Probabilities of the classes or labels `names`, or predicted numbers, of each validation image, by file.

    Raises DataError where predictions.csv cannot be read.
    """
    path = run_folder / PREDICTIONS_FILE
    try:
        rows = [row for row in _rows(path) if row["side"] == "val"]
        columns = [f"p({name})" if rows and f"p({name})" in rows[0] else f"predicted {name}" for name in names]
        return {row["file"]: [float(row[column]) for column in columns] for row in rows}
    except (KeyError, ValueError) as error:
        raise DataError(f"{path} lacks answers ({error}). The run is damaged; train it again.") from error


def validation_truths(run_folder: Path, kind: Kind, names: Sequence[str]) -> dict[str, Labels]:
    """The true labels, or numbers, of each validation image, by file. Raises as `validation_answers`."""
    path = run_folder / PREDICTIONS_FILE
    try:
        rows = [row for row in _rows(path) if row["side"] == "val"]
        if rows and "true" in rows[0]:
            return {row["file"]: kind.labels_in(row["true"]) for row in rows}
        return {row["file"]: tuple(row[f"true {name}"] for name in names) for row in rows}
    except KeyError as error:
        raise DataError(f"{path} lacks true labels ({error}). The run is damaged; train it again.") from error


def unchanged_images(
    folder: Path, hashes: dict[str, str], answers: dict[str, list[float]]
) -> Iterator[ValidationImage]:
    """Those images with a hash and with answers that are still in `folder` as they were, read one at a time."""
    for file, sha256 in hashes.items():
        data = _bytes(folder / file) if file in answers else None
        if data is not None and hashlib.sha256(data).hexdigest() == sha256:
            yield ValidationImage(file, data, answers[file])


def _rows(path: Path) -> list[dict[str, str]]:
    try:
        return list(csv.DictReader(path.read_bytes().decode().splitlines(keepends=True)))
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"cannot read {path} ({error}). The run is damaged; train it again.") from error


def _bytes(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:
        return None
