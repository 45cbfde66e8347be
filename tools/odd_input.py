"""An odd input: a folder, a table or a file as people bring it, with the words of the command that is tried on it.

Every input is modeled on a public report against another tool's loader, or on the layout of a public data set. Images
are drawn; nothing is downloaded.
"""

import dataclasses
import random
from collections.abc import Callable, Iterable
from pathlib import Path

from PIL import Image

COLORS = [(200, 40, 40), (40, 200, 40), (40, 40, 200), (200, 200, 40), (40, 200, 200), (200, 40, 200)]


@dataclasses.dataclass(frozen=True)
class OddInput:
    """One input: `build` makes it in an empty folder, and returns the words of the command that is tried on it."""

    name: str
    build: Callable[[Path], list[str]]


Build = Callable[[Path], list[str]]


def adding_to(inputs: list[OddInput]) -> Callable[[Build], Build]:
    """A decorator that adds an input to the list, named as its function."""

    def odd(build: Build) -> Build:
        inputs.append(OddInput(build.__name__, build))
        return build

    return odd


def draw(path: Path, color: int = 0) -> Path:
    """An image of 40 x 36 pixels of one color with specks that no other path has."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image, speck = Image.new("RGB", (40, 36), COLORS[color % len(COLORS)]), random.Random(str(path))
    for _ in range(60):
        place = speck.randrange(40), speck.randrange(36)
        image.putpixel(place, (speck.randrange(256), speck.randrange(256), speck.randrange(256)))
    image.save(path)
    return path


def classes(folder: Path, names: Iterable[str] = ("cats", "dogs"), count: int = 6) -> None:
    """A folder of images for each name."""
    for color, name in enumerate(names):
        for number in range(count):
            draw(folder / name / f"{number}.png", color)


def check(folder: Path, *options: str) -> list[str]:
    """The words of a check, which reads folders and tables as a training does."""
    return ["check", str(folder), *options]


def train(folder: Path, *options: str) -> list[str]:
    """The words of a training of a second."""
    tiny = ["--backbone", "house", "--weights", "random", "--size", "32", "--epochs", "1"]
    return ["train", str(folder), *tiny, "--out", str(folder.parent / "run"), *options]
