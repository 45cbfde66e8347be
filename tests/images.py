"""Folders of tiny images, and the options of runs that take a second on them."""

import random
from pathlib import Path

from PIL import Image

COLORS = {"blue": (40, 40, 200), "green": (40, 200, 40), "red": (200, 40, 40)}
TINY = {"weights": "random", "size": 32, "epochs": 2}
"""Keywords of `train` for a tiny run of any network."""
TINY_HOUSE = {"backbone": "house", **TINY}
"""The same of the smallest network that is much used."""
TINY_OPTIONS = ("--backbone", "house", "--weights", "random", "--size", "32", "--epochs", "2")
"""The same for the command line."""


def draw_images(folder: Path, count: int = 8, *, first: int = 0, classes: int = 2) -> Path:
    """The folder, with `count` images in each class folder; `first` numbers them on."""
    for name in sorted(COLORS)[:classes]:
        (folder / name).mkdir(parents=True, exist_ok=True)
        for number in range(first, first + count):
            draw(folder / name / f"{number:03d}.png", COLORS[name], seed=f"{name}{number}")
    return folder


def draw(path: Path, color: tuple[int, int, int] = (40, 40, 200), seed: str = "") -> Path:
    """The path of an image of 40 x 36 pixels of one color with specks; other seeds have other specks."""
    image, speck = Image.new("RGB", (40, 36), color), random.Random(seed)
    for _ in range(60):
        place = speck.randrange(40), speck.randrange(36)
        image.putpixel(place, (speck.randrange(256), speck.randrange(256), speck.randrange(256)))
    image.save(path)
    return path
