"""Demo: transfer learning on scikit-learn's handwritten digits, the same way as anybody's images."""

import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

from convlens.core.files import TEMPORARY_PREFIX, disk_errors_named
from convlens.core.progress import Progress, Say, silent, unsaid
from convlens.core.run import RunRecord
from convlens.runs.run_directory import unused_run_name
from convlens.tasks.train import train

_BRIGHTEST = 16
"""The digits come with values 0 to 16."""


def demo(
    out: str | Path = "demo",
    *,
    epochs: int = 6,
    seed: int = 0,
    progress: Progress = silent,
    say: Say = unsaid,
) -> RunRecord:
    """The record of a run on the 1797 digits of 8x8 pixels, written as PNG files below `out`, house network.

    Digits are no photographs: the last stage is trained, too, and as fast as the head.
    """
    root = Path(out)
    images = write_digits(root / "digits")
    say(f"1797 handwritten digits as PNG files: {images}")
    target = unused_run_name(root / "runs", "digits-house")
    return train(
        images,
        backbone="house",
        size=32,
        freeze="layer3",
        epochs=epochs,
        learning_rate=0.03,
        backbone_lr=1.0,
        seed=seed,
        out=target,
        progress=progress,
        say=say,
    )


def write_digits(folder: Path) -> Path:
    """The folder, with one folder per digit, `folder/7/0123.png`; one that is there already stays as it is."""
    if folder.is_dir():
        return folder
    from sklearn.datasets import load_digits  # loads slowly, and only the demo needs it

    digits = load_digits()
    with disk_errors_named(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=TEMPORARY_PREFIX, dir=folder.parent) as temporary:
            beside = Path(temporary, folder.name)
            for number, (image, label) in enumerate(zip(digits.images, digits.target, strict=True)):
                path = beside / str(label) / f"{number:04d}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                _image(image).save(path)
            beside.rename(folder)
    return folder


def _image(image: np.ndarray[tuple[int, int], np.dtype[np.float64]]) -> Image.Image:
    return Image.fromarray((image * (255 / _BRIGHTEST)).astype(np.uint8))
