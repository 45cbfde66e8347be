"""The images of a study: some classes, and some images of each, drawn from a folder and laid out as class folders."""

import hashlib
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from convlens.core.errors import DataError
from convlens.core.files import disk_errors_named, path_beside
from convlens.data.manifest import ImageFile, Manifest
from convlens.data.scan import scan
from convlens.report.formatting import counted
from convlens.tasks.demo import write_digits

_NOTE = ".images"
"""What a folder of copies holds, beside them."""
_VALIDATION = 0.2
"""Of the images of a class, where the folder has no validation side."""


class ChosenImages(NamedTuple):
    """Classes with their images: each is as likely as any other, and the order is random, so that the first n are a
    random part."""

    name: str
    classes: tuple[str, ...]
    train: Mapping[str, Sequence[ImageFile]]
    val: Mapping[str, Sequence[ImageFile]]

    def described(self) -> str:
        """What they are, which changes when they do."""
        digest = hashlib.sha256()
        for side in (self.train, self.val):
            for name in self.classes:
                digest.update("\n".join([name, *(image.sha256 for image in side[name])]).encode())
        counts = [sum(len(side[name]) for name in self.classes) for side in (self.train, self.val)]
        return (
            f"{self.name}: {len(self.classes)} classes, {counts[0]} images to train on and {counts[1]} to validate on "
            f"(sha256 {digest.hexdigest()[:16]})"
        )

    def refuse_fewer(self, study: str, *, classes: int, each: int = 1) -> None:
        """Raises DataError where there are fewer classes, or fewer images of one of them to train on."""
        if len(self.classes) < classes:
            raise DataError(
                f"{self.name} has {counted(len(self.classes), 'class', 'classes')} with images to train and to "
                f"validate on, and the study {study} takes {classes}. Give another folder, or set the size "
                f"classes={len(self.classes)}."
            )
        least = min(self.classes, key=lambda name: len(self.train[name]))
        if len(self.train[least]) < each:
            raise DataError(
                f"{self.name} has {counted(len(self.train[least]), 'image')} of {least!r} to train on, and the study "
                f"{study} takes up to {each} of each class. Give another folder, or set smaller counts."
            )

    def parts(self, count: int, most: int) -> list["ChosenImages"]:
        """Up to `count` sets of at least two and at most `most` of the classes, which no two have in common.

        A set's classes are neighbors in the order of their names: of ImageNet's, they are alike.
        """
        count = min(count, len(self.classes) // 2)
        share = len(self.classes) // count
        return [
            self._replace(
                name=f"{self.name}, part {part + 1}", classes=self.classes[part * share :][: min(share, most)]
            )
            for part in range(count)
        ]

    def drawn(self, seed: int, per_class: int) -> "ChosenImages":
        """The same with a random part of the training images, up to so many of each class."""
        generator = np.random.default_rng(seed)
        train = {
            name: [self.train[name][place] for place in generator.permutation(len(self.train[name]))[:per_class]]
            for name in self.classes
        }
        return self._replace(train=train)

    def laid_out(self, folder: Path, per_class: int | None = None) -> Path:
        """The folder with train/ and val/ and class folders, with the first images of each class, all for None.

        One that is there already, whole and of the same images, stays as it is.
        """
        note, described = folder / _NOTE, f"{self.described()}, {per_class}"
        if note.is_file() and note.read_text() == described:
            return folder
        if folder.is_dir():
            shutil.rmtree(folder)
        with disk_errors_named(folder), path_beside(folder) as beside:
            for side, images, count in (("train", self.train, per_class), ("val", self.val, None)):
                for name in self.classes:
                    target = beside / side / name
                    target.mkdir(parents=True)
                    for number, image in enumerate(images[name][:count]):
                        shutil.copyfile(image.path, target / f"{number:05d}{image.path.suffix}")
            (beside / _NOTE).write_text(described)
        return folder


def chosen_images(
    folder: Path | None,
    digits: Path,
    *,
    classes: int | None,
    train: int,
    val: int,
) -> ChosenImages:
    """Up to `classes` classes, all for None, with up to `train` and `val` images each.

    Where no folder is given they are handwritten digits, which are written to the folder `digits`. Raises what `scan`
    raises, and DataError for a folder whose classes are too small to be divided.
    """
    manifest = scan(folder or write_digits(digits))
    generator = np.random.default_rng(0)
    sides = _sides(manifest, generator)
    usable = [name for name in manifest.classes if min(len(side.get(name, ())) for side in sides) > 0]
    if len(usable) < 2:
        raise DataError(f"{manifest.folder}: a study needs two classes with two images each, to train and to validate.")
    names = sorted(generator.permutation(np.array(usable, dtype=object))[:classes])
    return ChosenImages(
        name=Path(manifest.folder).name if folder else "scikit-learn's handwritten digits",
        classes=tuple(names),
        train={name: sides[0][name][:train] for name in names},
        val={name: sides[1][name][:val] for name in names},
    )


def _sides(manifest: Manifest, generator: np.random.Generator) -> tuple[dict[str, list[ImageFile]], ...]:
    """Images by class, to train on and to validate on, each in random order."""
    sides: tuple[dict[str, list[ImageFile]], ...] = ({}, {})
    by_class: dict[str, list[ImageFile]] = {name: [] for name in manifest.classes}
    for image in manifest.images:
        by_class[image.labels[0]].append(image)
    for name, images in by_class.items():
        mixed = [images[place] for place in generator.permutation(len(images))]
        train, val = ([image for image in mixed if image.side == side] for side in ("train", "val"))
        if not val:
            pool = [image for image in mixed if image.side in (None, "train")]
            count = max(1, round(_VALIDATION * len(pool)))
            train, val = pool[count:], pool[:count]
        sides[0][name], sides[1][name] = train, val
    return sides
