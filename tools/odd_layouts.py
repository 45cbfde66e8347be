"""Folders and tables as people bring them, each with the words of a command: what a guess, or a refusal, is tried on.

Every input is modelled on a public report against another tool's loader, or on the layout of a public data set. Images
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


ODD_LAYOUTS: list[OddInput] = []


def odd(build: Callable[[Path], list[str]]) -> Callable[[Path], list[str]]:
    """Adds an input, named as its function."""
    ODD_LAYOUTS.append(OddInput(build.__name__, build))
    return build


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


@odd
def sides_with_a_suffix(folder: Path) -> list[str]:
    for side in ("train_images", "val_images"):
        classes(folder / "data" / side)
    return check(folder / "data")


@odd
def sides_with_a_year(folder: Path) -> list[str]:
    for side in ("train2017", "val2017", "test2017"):
        classes(folder / "data" / side)
    return check(folder / "data")


@odd
def sides_that_stand_twice(folder: Path) -> list[str]:
    for side in ("seg_train/seg_train", "seg_test/seg_test"):
        classes(folder / "data" / side)
    return check(folder / "data")


@odd
def sides_within_one_folder_around_all(folder: Path) -> list[str]:
    for side in ("training_set", "test_set"):
        classes(folder / "data/archive/data" / side)
    return check(folder / "data")


@odd
def sides_of_classes_first(folder: Path) -> list[str]:
    for name in ("cats", "dogs"):
        classes(folder / "data" / name, ("train", "val"))
    return check(folder / "data")


@odd
def sides_without_classes(folder: Path) -> list[str]:
    classes(folder / "data", ("train_images", "test_images"))
    return train(folder / "data")


@odd
def training_images_beside_loose_ones(folder: Path) -> list[str]:
    classes(folder / "data/train")
    classes(folder / "data", ("unlabeled",))
    return check(folder / "data")


@odd
def classes_called_train_bus_and_test(folder: Path) -> list[str]:
    classes(folder / "data", ("train", "bus", "test"))
    return check(folder / "data")


@odd
def classes_called_after_words_for_sides(folder: Path) -> list[str]:
    for name in ("train_station", "test_tube", "bus"):
        classes(folder / "data" / name, ("old", "new"))
    return check(folder / "data")


@odd
def images_beside_masks(folder: Path) -> list[str]:
    classes(folder / "data", ("images", "masks"))
    return train(folder / "data")


@odd
def images_beside_annotations(folder: Path) -> list[str]:
    classes(folder / "data", ("images",))
    (folder / "data/annotations").mkdir()
    (folder / "data/annotations/1.xml").write_text("<annotation/>")
    return train(folder / "data")


@odd
def masks_called_after_the_images(folder: Path) -> list[str]:
    classes(folder / "data", ("train", "train_masks"))
    return train(folder / "data")


@odd
def classes_beside_annotations(folder: Path) -> list[str]:
    classes(folder / "data/images")
    (folder / "data/annotations").mkdir()
    (folder / "data/annotations/list.txt").write_text("cats 1")
    return check(folder / "data")


@odd
def class_names_that_differ_between_sides(folder: Path) -> list[str]:
    classes(folder / "data/train", ("Golden Retriever", "caf\u00e9"))
    classes(folder / "data/val", ("golden_retriever", "cafe\u0301"))
    return check(folder / "data")


@odd
def class_names_that_do_not_fit(folder: Path) -> list[str]:
    classes(folder / "data/train", ("cats", "dogs"))
    classes(folder / "data/val", ("1", "2"))
    return train(folder / "data")


@odd
def one_folder_around_all(folder: Path) -> list[str]:
    classes(folder / "data/data")
    return check(folder / "data")


@odd
def one_image_in_each_class(folder: Path) -> list[str]:
    classes(folder / "data", ("cats", "dogs", "birds"), count=1)
    return train(folder / "data")


@odd
def each_label_once(folder: Path) -> list[str]:
    classes(folder / "data", ("all",), count=4)
    (folder / "labels.csv").write_text("file,label\n" + "".join(f"all/{n}.png,class {n}\n" for n in range(4)))
    return train(folder / "data", "--labels", str(folder / "labels.csv"))


@odd
def folders_by_year(folder: Path) -> list[str]:
    classes(folder / "data", ("2023", "2024"))
    return check(folder / "data")


@odd
def folders_by_camera_with_classes_inside(folder: Path) -> list[str]:
    for camera in ("camera1", "camera2"):
        classes(folder / "data" / camera)
    return check(folder / "data")


@odd
def what_lies_beside_classes(folder: Path) -> list[str]:
    data = folder / "data"
    classes(data)
    classes(data / "runs/1", ("thumbnails",))
    (data / "runs/1/run.json").write_text('{"kind": "convlens.run"}')
    draw(data / ".venv/lib/logo.png")
    (data / "env").mkdir()
    (data / "env/pyvenv.cfg").write_text("home = /usr\n")
    draw(data / "env/lib/logo.png")
    draw(data / "__MACOSX/cats/._1.png")
    return check(data)
