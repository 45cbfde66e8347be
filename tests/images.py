"""Folders of tiny pictures, and the options of runs that take a second on them."""

import random
from pathlib import Path

from PIL import Image

COLOURS = {"blue": (40, 40, 200), "green": (40, 200, 40), "red": (200, 40, 40)}
TINY = {"weights": "random", "size": 32, "epochs": 2}
"""Keywords of `train` for a tiny run."""
TINY_OPTIONS = ("--weights", "random", "--size", "32", "--epochs", "2")
"""The same for the command line."""


def draw_pictures(folder: Path, count: int = 8, *, first: int = 0, classes: int = 2) -> Path:
    """The folder, with `count` pictures in each class folder; `first` numbers them on."""
    for name in sorted(COLOURS)[:classes]:
        (folder / name).mkdir(parents=True, exist_ok=True)
        for number in range(first, first + count):
            draw(folder / name / f"{number:03d}.png", COLOURS[name], seed=f"{name}{number}")
    return folder


def draw(path: Path, colour: tuple[int, int, int] = (40, 40, 200), seed: str = "") -> Path:
    """The path of a picture of 40 x 36 pixels of one colour with specks; other seeds have other specks."""
    picture, speck = Image.new("RGB", (40, 36), colour), random.Random(seed)
    for _ in range(60):
        place = speck.randrange(40), speck.randrange(36)
        picture.putpixel(place, (speck.randrange(256), speck.randrange(256), speck.randrange(256)))
    picture.save(path)
    return path
