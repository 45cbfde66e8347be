"""Reading a bundle: what a finished run holds for use, verified before anything of it is trusted."""

from pathlib import Path

from convlens.core.bundle import BUNDLE_FILE, MODEL_FILE, Bundle
from convlens.core.errors import DataError, IntegrityError, UsageError
from convlens.core.files import sha256_of


def read_bundle(folder: Path) -> tuple[Bundle, Path]:
    """The bundle of a run folder, and the file of its weights, verified by their SHA-256.

    Raises UsageError where the folder is no run, DataError where it is not complete, IntegrityError where the weights
    are not those of the run.
    """
    file = folder / BUNDLE_FILE
    if not file.is_file():
        raise UsageError(
            f"{folder} is not a run folder: it holds no {BUNDLE_FILE}. Give a folder that `convlens train` made."
        )
    bundle = Bundle.from_json(file.read_bytes(), str(file))
    weights = folder / MODEL_FILE
    if not weights.is_file():
        raise DataError(f"{folder} holds no {MODEL_FILE}: the run is not complete. Train it again.")
    if sha256_of(weights) != bundle.sha256:
        raise IntegrityError(f"{weights} is not the file that {BUNDLE_FILE} names by its SHA-256. Train it again.")
    return bundle, weights
