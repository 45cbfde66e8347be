"""The manifest: every picture of a folder with its class, its side and the hash of its bytes."""

import dataclasses
from pathlib import Path
from typing import Literal

from convlens.core.errors import DataError
from convlens.core.run import Problem
from convlens.core.target import TargetKind

Side = Literal["train", "val", "test"]
SIDES: tuple[Side, ...] = ("train", "val", "test")
SIDE_NAMES: dict[str, Side] = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "dev": "val",
    "eval": "val",
    "test": "test",
    "testing": "test",
}
"""What folders, and cells of a table, call the sides, in any case of letters."""
EMPTY_CLASS = "empty-class"
"""The reason of a problem that is named by a class, not by a file."""
_MOST_NAMED = 3


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Picture:
    """One file. `side` is None until it is split."""

    path: Path
    file: str
    """Its path relative to the folder, as text that can be shown and stored whatever the bytes of the name are."""
    label: str
    """Its class, labels or numbers, as `core.target` writes them."""
    side: Side | None
    sha256: str
    bytes: int
    group: str = ""
    """Pictures of the same group never stand on both sides of a split; "" for a picture of its own."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Manifest:
    """What was found in `folder`: pictures in the order of their names, and what is wrong with others."""

    folder: str
    classes: tuple[str, ...]
    """The names of what a network gives an output for: of classes, of labels, or of numbers."""
    pictures: tuple[Picture, ...]
    problems: tuple[Problem, ...]
    target: TargetKind = "class"
    """What the labels of the pictures are."""

    def without(self, problems: tuple[Problem, ...]) -> "Manifest":
        """The manifest with more problems listed, and the files that they rule out left out."""
        ruled_out = {problem.file for problem in problems if not problem.used}
        pictures = tuple(picture for picture in self.pictures if picture.file not in ruled_out)
        return dataclasses.replace(self, pictures=pictures, problems=(*self.problems, *problems))

    def side(self, side: Side) -> tuple[Picture, ...]:
        """The pictures on one side of the split."""
        return tuple(picture for picture in self.pictures if picture.side == side)

    def with_usable_classes(self) -> "Manifest":
        """The manifest with the classes that have pictures to train on; the pictures of others become problems.

        Raises DataError when fewer than two classes are left; where no classes are learnt, fewer than two pictures.
        """
        if self.target != "class":
            return self._with_enough_pictures()
        trainable = self._trainable()
        classes = tuple(name for name in self.classes if name in trainable)
        if len(classes) < 2:
            raise DataError(self._too_few(classes))
        return dataclasses.replace(self.without(self.class_problems()), classes=classes)

    def class_problems(self) -> tuple[Problem, ...]:
        """The pictures of classes without any to train on, and, by their names, the classes without any picture."""
        if self.target != "class":
            return ()
        present, trainable = {picture.label for picture in self.pictures}, self._trainable()
        unknown = [
            Problem(
                file=picture.file,
                reason="unknown-class",
                detail=f"no usable training picture of class {picture.label!r}",
                used=False,
            )
            for picture in self.pictures
            if picture.label not in trainable
        ]
        empty = [
            Problem(file=name, reason=EMPTY_CLASS, detail="no usable picture in this class", used=False)
            for name in self.classes
            if name not in present
        ]
        return (*unknown, *empty)

    def _trainable(self) -> set[str]:
        return {picture.label for picture in self.pictures if picture.side in ("train", None)}

    def _with_enough_pictures(self) -> "Manifest":
        usable = sum(picture.side in ("train", None) for picture in self.pictures)
        if usable < 2:
            raise DataError(
                f"{self.folder}: at least two usable pictures to train on are needed, found {usable}. Name the files "
                f"of the folder in the table of labels.{self._unused()}"
            )
        return self

    def _too_few(self, classes: tuple[str, ...]) -> str:
        found = f"only {classes[0]!r}" if classes else "none"
        return (
            f"{self.folder}: at least two classes with usable pictures to train on are needed, found {found}. "
            f"Put the pictures of each class into a folder of its own.{self._unused()}"
        )

    def _unused(self) -> str:
        unused = [problem for problem in self.problems if not problem.used]
        named = "; ".join(f"{problem.file}: {problem.reason}, {problem.detail}" for problem in unused[:_MOST_NAMED])
        return f" Not used: {len(unused)}, such as {named}." if unused else ""
