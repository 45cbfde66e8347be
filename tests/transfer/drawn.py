"""Drawn images: folders of them, made in a test's own temporary folder."""

from pathlib import Path

import numpy as np
from PIL import Image


def draw_folder(
    root: Path, per_class: int = 8, classes: tuple[str, ...] = ("circles", "stripes"), side: int = 40
) -> Path:
    """A folder of PNG images that can be told apart: a disc or stripes, on noise."""
    generator = np.random.default_rng(0)
    for number, name in enumerate(classes):
        (root / name).mkdir(parents=True)
        for k in range(per_class):
            Image.fromarray(_drawn(number, side, generator)).save(root / name / f"{k:03d}.png")
    return root


def _drawn(number: int, side: int, generator: np.random.Generator) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    y, x = np.mgrid[:side, :side]
    center = generator.uniform(0.3, 0.7, 2) * side
    disc = (y - center[0]) ** 2 + (x - center[1]) ** 2 < (side / 4) ** 2
    shape = disc if number == 0 else (x + y * (number - 1) + center[0]) % 8 < 4
    noise = generator.integers(0, 90, (side, side, 3))
    return (noise + shape[..., None] * 150).astype(np.uint8)
