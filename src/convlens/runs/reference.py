"""The reference of a run: what its answers are judged by after training, in a file beside the network."""

from pathlib import Path
from typing import NamedTuple

from safetensors import SafetensorError, safe_open

from convlens.core.bundle import Bundle
from convlens.core.errors import DataError, IntegrityError
from convlens.core.files import sha256_of, write_atomically
from convlens.core.trust import REFERENCE_FILE, Reference, Trust
from convlens.trust.judge import Judge
from convlens.zoo import serialized


class Trusted(NamedTuple):
    """What is reported, and what is kept for use."""

    record: Trust
    judge: Judge


def write_reference(folder: Path, judge: Judge) -> Reference:
    """Write the file of a run folder, and give what its bundle says of it."""
    path = folder / REFERENCE_FILE
    write_atomically(path, serialized(judge.tensors(), judge.metadata()))
    return Reference(sha256=sha256_of(path), detector=judge.detector.name, images=len(judge.files))


def read_judge(folder: Path, bundle: Bundle) -> Judge | None:
    """The judge of a run folder; None where the run has none.

    Raises DataError where its file is not there or damaged, IntegrityError where it is not the run's.
    """
    if bundle.reference is None:
        return None
    path = folder / REFERENCE_FILE
    if not path.is_file():
        raise DataError(f"{folder} holds no {REFERENCE_FILE}: the run is not complete. Train it again.")
    if sha256_of(path) != bundle.reference.sha256:
        raise IntegrityError(f"{path} is not the file that the run names by its SHA-256. Train it again.")
    try:
        with safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            return Judge.of(tensors, file.metadata() or {}, str(path))
    except SafetensorError as error:
        raise DataError(f"{path} is damaged: {error}. Train the run again.") from error
