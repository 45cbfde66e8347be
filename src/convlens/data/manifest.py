"""The manifest: every image of a folder with its class, its side and the hash of its bytes."""

import dataclasses
import difflib
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Literal

from convlens.core.errors import DataError
from convlens.core.kinds.kind import Kind, Labels, text_of
from convlens.core.kinds.registry import KINDS
from convlens.core.run import NO_LABEL, Problem
from convlens.core.task import TaskName

Side = Literal["train", "val", "test"]
SIDES: tuple[Side, ...] = ("train", "val", "test")
_RANK: Mapping[Side | None, int] = {"test": 0, "val": 1, "train": 2, None: 2}
Place = tuple[Path, Labels, Side | None]
"""A class folder, or a file, with its labels and side; the side is None where it is not split yet."""
EMPTY_CLASS = "empty-class"
"""The reason of a problem that is named by a class, not by a file."""
_MOST_NAMED = 3


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class ImageFile:
    """One file. `side` is None until it is split."""

    path: Path
    file: str
    """Its path relative to the folder, as text that can be shown and stored whatever the bytes of the name are."""
    labels: Labels
    """Its class, its labels or its numbers."""
    side: Side | None
    sha256: str
    bytes: int
    group: str = ""
    """Images of the same group never stand on both sides of a split; "" for an image of its own."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Manifest:
    """What was found in `folder`: images in the order of their names, and what is wrong with others."""

    folder: str
    classes: tuple[str, ...]
    """The names of what a network gives an output for: of classes, of labels, or of numbers."""
    images: tuple[ImageFile, ...]
    problems: tuple[Problem, ...]
    task: TaskName = "classification"
    """What is learned of the images."""
    table: str = ""
    """The table of labels, if there is one."""
    unlearned: tuple[str, ...] = ()
    """Classes that have images, but none to train on; `with_usable_classes` leaves them out."""
    notices: tuple[str, ...] = ()
    """What folders and tables were taken for where that is a guess, with their settings marked: to be said."""

    @property
    def kind(self) -> Kind:
        """What their labels are."""
        return KINDS[self.task]

    def without(self, problems: tuple[Problem, ...]) -> "Manifest":
        """The manifest with more problems listed, and the files that they rule out left out."""
        ruled_out = {problem.file for problem in problems if not problem.used}
        images = tuple(image for image in self.images if image.file not in ruled_out)
        return dataclasses.replace(self, images=images, problems=(*self.problems, *problems))

    def side(self, side: Side) -> tuple[ImageFile, ...]:
        """The images on one side of the split."""
        return tuple(image for image in self.images if image.side == side)

    def with_usable_classes(self) -> "Manifest":
        """The manifest with the classes that have images to train on; the images of others become problems.

        Raises DataError when fewer than two classes are left; where no classes are learned, fewer than two images.
        """
        if not self.kind.exclusive:
            return self._with_enough_images()
        trainable = self._trainable()
        classes = tuple(name for name in self.classes if name in trainable)
        if len(classes) < 2:
            raise DataError(self._too_few(classes))
        there = {name for image in self.images for name in image.labels}
        unlearned = tuple(name for name in self.classes if name in there - trainable)
        return dataclasses.replace(
            self.without(self.class_problems()), classes=classes, unlearned=(*self.unlearned, *unlearned)
        )

    def class_problems(self) -> tuple[Problem, ...]:
        """The images of classes without any to train on, and, by their names, the classes without any image."""
        if not self.kind.exclusive:
            return ()
        present, trainable = {name for image in self.images for name in image.labels}, self._trainable()
        strange = {name: _strange_class(name, trainable) for name in sorted(present - trainable)}
        unknown = [
            Problem(file=image.file, reason="unknown-class", detail=strange[text_of(image.labels)], used=False)
            for image in self.images
            if not trainable.issuperset(image.labels)
        ]
        empty = [
            Problem(file=name, reason=EMPTY_CLASS, detail="no usable image in this class", used=False)
            for name in self.classes
            if name not in present
        ]
        return (*unknown, *empty)

    def _trainable(self) -> set[str]:
        return {name for image in self.images if image.side in ("train", None) for name in image.labels}

    def _with_enough_images(self) -> "Manifest":
        usable = sum(image.side in ("train", None) for image in self.images)
        if usable < 2:
            raise DataError(
                f"{self.folder}: at least two usable images to train on are needed, found {usable}. List the files of "
                f"the folder in the table of labels.{self._unused()}"
            )
        return self

    def _too_few(self, classes: tuple[str, ...]) -> str:
        found = f"only {classes[0]!r}" if classes else "none"
        advice = (
            f"List images of other classes in {self.table}."
            if self.table
            else "Put the images of each class into a folder of its own."
        )
        return (
            f"{self.folder}: at least two classes with usable images to train on are needed, found {found}. {advice}"
            f"{self._unused()}"
        )

    def _unused(self) -> str:
        unused = [problem for problem in self.problems if not problem.used and problem.reason != NO_LABEL]
        named = "; ".join(f"{problem.file}: {problem.reason}, {problem.detail}" for problem in unused[:_MOST_NAMED])
        return f" Not used: {len(unused)}, such as {named}." if unused else ""


def _strange_class(name: str, trainable: Collection[str]) -> str:
    near = difflib.get_close_matches(name, trainable, n=1)
    hint = f"; the nearest that has some is {near[0]!r}" if near else ""
    return f"no usable training image of class {name!r}{hint}"


def one_of_each(images: Sequence[ImageFile]) -> list[ImageFile]:
    """The first image of each content; one on a side for evaluation before others."""
    found: dict[str, ImageFile] = {}
    for image in images:
        if image.sha256 not in found or _RANK[image.side] < _RANK[found[image.sha256].side]:
            found[image.sha256] = image
    return list(found.values())
