"""Images whose class depends on two places far apart: two marks, or a value some steps before the end of a signal."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from convlens.core.files import disk_errors_named, path_beside

MARKS, SIGNALS = "marks", "signals"
_CLASSES: Mapping[str, tuple[str, str]] = MappingProxyType({MARKS: ("different", "same"), SIGNALS: ("dark", "bright")})
MARK_WIDTH, _MARK_HEIGHT = 3, 7
"""Pixels of a mark: high, so that its nearest column alone shows its color in the noise."""
_COLORS = ((220, 40, 40), (40, 40, 220))
_LEVELS = (64, 192)
"""Grays of the two values of a signal."""
_NOISE = 12
"""Standard deviation of each pixel, of 255."""


def drawn_far(folder: Path, task: str, counts: Mapping[str, int], *, pixels: int, distance: int, seed: int) -> Path:
    """The folder, with `counts[side]` images of each class in folders of both sides; one that is there stays as it is.

    Raises MachineError where they cannot be written.
    """
    if folder.is_dir():
        return folder
    generator = np.random.default_rng([seed, distance, [*_CLASSES].index(task)])
    draw = marks if task == MARKS else signal
    with disk_errors_named(folder), path_beside(folder) as beside:
        for side, count in counts.items():
            for truth, name in enumerate(_CLASSES[task]):
                (beside / side / name).mkdir(parents=True)
                for number in range(count):
                    values = draw(pixels, distance, truth, generator).clip(0, 255).astype(np.uint8)
                    Image.fromarray(values).save(beside / side / name / f"{number:05d}.png")
    return folder


def marks(pixels: int, distance: int, same: int, generator: np.random.Generator) -> NDArray[np.float64]:
    """An image (pixels, pixels, 3) with a mark on each side, whose nearest column is so far from the center's."""
    image = generator.normal(128, _NOISE, (pixels, pixels, 3))
    center, color = pixels // 2, int(generator.integers(2))
    rows = slice(center - _MARK_HEIGHT // 2, center + _MARK_HEIGHT // 2 + 1)
    image[rows, center - distance - MARK_WIDTH + 1 : center - distance + 1] = _COLORS[color]
    image[rows, center + distance : center + distance + MARK_WIDTH] = _COLORS[color if same else 1 - color]
    return image


def signal(pixels: int, distance: int, bright: int, generator: np.random.Generator) -> NDArray[np.float64]:
    """An image (pixels, pixels) of equal rows: random values, of which that so many steps before the last is given."""
    values = generator.integers(2, size=pixels)
    values[-1 - distance] = bright
    row = np.array(_LEVELS)[values] + generator.normal(0, _NOISE, pixels)
    return np.tile(row, (pixels, 1))
