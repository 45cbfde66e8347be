"""Verify: an exported file on its own golden images, in the runtime that it is for."""

from pathlib import Path

from convlens.core.exported import Verification
from convlens.exports.formats import opened
from convlens.exports.proof import on_golden_images


def verify(file: str | Path, *, trust: bool = False) -> Verification:
    """How the answers of a file that `export` wrote compare with those of the run, on the images that travel in it.

    The caller decides what follows of a difference; `golden.proved` says whether all are within 1e-4. A PT2 archive
    can run code where torch opens it, and is opened only with `trust`; an ONNX file cannot.

    Raises UsageError where there is no such file or it is not trusted, DataError where it is no exported model,
    MachineError where its runtime is missing.
    """
    path = Path(file).expanduser()
    runner = opened(path, trust=trust)
    return Verification(
        file=str(path), runtime=runner.runtime, network=runner.card.network, golden=on_golden_images(runner)
    )
