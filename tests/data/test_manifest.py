"""The manifest as it grows: problems are added, images and classes go."""

from pathlib import Path

import pytest

from convlens.core.errors import DataError
from convlens.core.run import Problem
from convlens.data.manifest import ImageFile, Manifest, Side


def image(file: str, side: Side | None = None) -> ImageFile:
    return ImageFile(path=Path(file), file=file, labels=(file.split("/")[-2],), side=side, sha256=file, bytes=1)


def problem(file: str, *, used: bool = False) -> Problem:
    return Problem(file=file, reason="truncated", detail="ends early", used=used)


def manifest(*images: ImageFile, classes: tuple[str, ...] = ("ant", "bee")) -> Manifest:
    return Manifest(folder="insects", classes=classes, images=images, problems=())


def test_problems_rule_out_their_images_unless_these_are_used_all_the_same() -> None:
    before = manifest(image("ant/1"), image("ant/2"), image("bee/1"))
    after = before.without((problem("ant/1"), problem("ant/2", used=True)))
    assert [one.file for one in after.images] == ["ant/2", "bee/1"]
    assert [one.file for one in after.problems] == ["ant/1", "ant/2"]
    assert after.without((problem("bee/1"),)).problems == (*after.problems, problem("bee/1"))


def test_a_class_that_lost_its_training_images_goes_with_the_rest_of_its_images() -> None:
    sided = (image("val/ant/1", "val"), image("train/bee/1", "train"), image("train/cat/1", "train"))
    after = manifest(*sided, classes=("ant", "bee", "cat", "dog")).with_usable_classes()
    assert after.classes == ("bee", "cat")
    assert [one.file for one in after.images] == ["train/bee/1", "train/cat/1"]
    assert {(one.file, one.reason) for one in after.problems} == {
        ("val/ant/1", "unknown-class"),
        ("dog", "empty-class"),
    }
    assert after.with_usable_classes() == after


def test_too_few_classes_are_refused_with_examples_of_what_is_not_used() -> None:
    few = manifest(image("ant/1")).without((problem("ant/1", used=True), *(problem(f"bee/{n}") for n in range(1, 6))))
    with pytest.raises(DataError) as caught:
        few.with_usable_classes()
    assert str(caught.value) == (
        "insects: at least two classes with usable images to train on are needed, found only 'ant'. "
        "Put the images of each class into a folder of its own. "
        "Not used: 5, such as bee/1: truncated, ends early; bee/2: truncated, ends early; bee/3: truncated, ends early."
    )
