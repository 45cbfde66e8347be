"""Runs on images that belong together, on saved splits, on folds, and on archives."""

import csv
import functools
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from convlens.comparison.shared_training import SharedTraining
from convlens.core.errors import DataError, UsageError
from convlens.core.progress import silent
from convlens.core.run import RunRecord
from convlens.data.scan import scan
from convlens.pipeline.resolve import changed_recipe
from convlens.tasks.compare import compare
from convlens.tasks.train import train
from convlens.training.recipe import Recipe
from tests.data.drawn import encoded, put
from tests.data.test_perceptual_hash import photograph
from tests.images import TINY_HOUSE, draw_images

SMALL = TINY_HOUSE | {"epochs": 1}


def rows(record: RunRecord) -> dict[str, dict[str, str]]:
    """The rows of split.csv, by file."""
    with (Path(record.run) / "split.csv").open(newline="") as file:
        return {row["file"]: row for row in csv.DictReader(file)}


def sides(record: RunRecord) -> dict[str, str]:
    return {file: row["side"] for file, row in rows(record).items()}


def photographs_and_small_copies(folder: Path, count: int) -> Path:
    """So many photographs of two classes, and each once more in another size and format."""
    for number in range(count):
        for label in ("ants", "bees"):
            image = photograph(number + 100 * (label == "bees"))
            put(folder / label / f"{number}.png", encoded(image, "PNG"))
            put(folder / label / f"{number}-small.jpg", encoded(image.resize((120, 90)), "JPEG"))
    return folder


def test_copies_in_another_size_stay_on_one_side(tmp_path: Path) -> None:
    folder = photographs_and_small_copies(tmp_path / "p", 12)
    found = sides(train(folder, out=tmp_path / "run", val_fraction=0.4, **SMALL))
    assert len(found) == 48
    assert set(found.values()) == {"train", "val"}
    for file, side in found.items():
        if file.endswith(".png"):
            assert found[file.replace(".png", "-small.jpg")] == side


def test_groups_stay_on_one_side(tmp_path: Path) -> None:
    folder = draw_images(tmp_path / "p", 20)
    found = rows(train(folder, out=tmp_path / "run", group_by=r"0(\d)", val_fraction=0.3, **SMALL))
    assert {row["group"] for row in found.values()} == {"0", "1"}
    assert len({(row["group"], row["side"]) for row in found.values()}) == 2


def test_a_saved_split_is_given_back(tmp_path: Path) -> None:
    folder = draw_images(tmp_path / "p", 10)
    first = train(folder, out=tmp_path / "one", seed=5, **SMALL)
    second = train(folder, out=tmp_path / "two", seed=6, split=str(tmp_path / "one/split.csv"), **SMALL)
    assert sides(first) == sides(second)
    assert sides(train(folder, out=tmp_path / "three", seed=6, **SMALL)) != sides(first)


def test_folds_judge_every_image_once(tmp_path: Path) -> None:
    folder = draw_images(tmp_path / "p", 6)
    judged: list[str] = []
    for number in (1, 2, 3):
        found = sides(train(folder, out=tmp_path / str(number), fold=f"{number}/3", **SMALL))
        judged += [file for file, side in found.items() if side == "val"]
    assert len(judged) == len(set(judged)) == 12


def test_an_archive_with_a_table_of_labels(tmp_path: Path) -> None:
    draw_images(tmp_path / "p", 6)
    table = ["file,label"] + [
        f"{name}/{n:03d}.png,{'even' if n % 2 else 'odd'}" for name in ("blue", "green") for n in range(6)
    ]
    put(tmp_path / "labels.csv", "\n".join(table))
    shutil.make_archive(str(tmp_path / "images"), "gztar", tmp_path / "p")
    record = train(tmp_path / "images.tar.gz", out=tmp_path / "run", labels=str(tmp_path / "labels.csv"), **SMALL)
    assert record.classes == ["even", "odd"]
    assert record.images.train + record.images.val == 12
    assert f"--labels {tmp_path}/labels.csv" in record.command
    assert "--split" not in record.command


def test_images_of_one_scene_are_divided_all_the_same(tmp_path: Path) -> None:
    """A production line: all look alike, and that says nothing."""
    random = np.random.default_rng(0)
    for number in range(20):
        for label in ("good", "scratched"):
            noise = random.integers(-9, 10, (180, 240, 3))
            pixels = (np.asarray(photograph(0), dtype=np.int16) + noise).clip(0, 255).astype(np.uint8)
            pixels[90:92, 20:220] = pixels[90:92, 20:220] if label == "good" else 255
            put(tmp_path / "p" / label / f"{number}.png", encoded(Image.fromarray(pixels), "PNG"))
    said: list[str] = []
    record = train(tmp_path / "p", out=tmp_path / "run", val_fraction=0.25, say=said.append, **SMALL)
    assert (record.images.train, record.images.val) == (30, 10)
    told = "40 of 40 images look alike, as if of one scene; they are split all the same"
    assert any(line.startswith(told) for line in said)
    assert any(line.startswith(told) for line in record.warnings)
    said.clear()
    compare(tmp_path / "p", out=tmp_path / "table", tricks=["momentum"], seeds=2, epochs=1, size=32, say=said.append)
    assert sum(line.startswith(told) for line in said) == 1


@pytest.mark.parametrize(
    ("more", "error", "message"),
    [
        ({"fold": "1/2", "split": "x.csv"}, UsageError, "exclude each other"),
        ({"fold": "4/3"}, UsageError, "fold 4/3: give a number"),
        ({"fold": "many"}, UsageError, "fold='many' must have the form K/N"),
        ({"fold": "1/9"}, DataError, "fewer than 9 folds"),
        ({"split": "none.csv"}, UsageError, "cannot read split="),
    ],
)
def test_wrong_use(tmp_path: Path, more: dict[str, str], error: type[Exception], message: str) -> None:
    folder = draw_images(tmp_path / "p", 4)
    with pytest.raises(error, match=message):
        train(folder, out=tmp_path / "run", **SMALL, **more)


def test_a_comparison_divides_as_training_does(tmp_path: Path) -> None:
    folder = photographs_and_small_copies(tmp_path / "p", 8)
    recipe = changed_recipe(Recipe(), val_fraction=0.4, precision="auto", **SMALL)
    found = sides(train(folder, recipe, out=tmp_path / "run"))
    divided = SharedTraining(scan(folder), silent).divided(recipe)
    assert {one.file: one.side for one in divided.images} == found
    assert all(found[file] == found[file.replace(".png", "-small.jpg")] for file in found if file.endswith(".png"))


def test_a_comparison_takes_the_groups_of_its_recipe(tmp_path: Path) -> None:
    folder = draw_images(tmp_path / "p", 20)
    more = {"tricks": ["momentum"], "seeds": 1, "size": 32, "epochs": 1, "val_fraction": 0.3}
    record = compare(folder, out=tmp_path / "table", group_by=r"0(\d)", **more)
    assert (record.num_train, record.num_val) == (20, 20)
    with pytest.raises(UsageError, match="folds=2 splits the images itself"):
        compare(folder, out=tmp_path / "other", folds=2, fold="1/2", **more)


class TestNothingToValidateOn:
    """The reason is said by `train` and by `compare`."""

    @pytest.fixture(params=["train", "compare"])
    def refused(self, request: pytest.FixtureRequest, tmp_path: Path) -> Callable[..., str]:
        def run(folder: Path, **options: object) -> str:
            task = {"train": train, "compare": functools.partial(compare, tricks=["dropout"], seeds=2)}[request.param]
            with pytest.raises(DataError) as raised:
                task(folder, out=tmp_path / "out", **SMALL, **options)
            return str(raised.value)

        return run

    def test_one_image_of_each_class(self, tmp_path: Path, refused: Callable[..., str]) -> None:
        assert (
            "/p: there is no image to validate on: each class has one usable image only, which is trained on, so "
            "nothing is left to hold out. Add images, at least two of each, or give some to validate on: in a folder "
            "val/, or with val in a column split of a table of labels."
        ) in refused(draw_images(tmp_path / "p", 1))

    def test_one_group_of_each_class(self, tmp_path: Path, refused: Callable[..., str]) -> None:
        folder = draw_images(tmp_path / "p", 4)
        assert (
            "there is no image to validate on: within each class the usable images, 8 in all, look alike or are of one "
            "group, and such are not parted."
        ) in refused(folder, group_by="^[a-z]+")

    def test_classes_of_other_names(self, tmp_path: Path, refused: Callable[..., str]) -> None:
        for side, names in (("train", ("blue", "green")), ("val", ("blau", "grün"))):
            drawn = draw_images(tmp_path / side, 4, first=10 * (side == "val"))
            for folder, name in zip(sorted(drawn.iterdir()), names, strict=True):
                folder.rename(drawn / name)
        message = refused(tmp_path)
        assert "those to validate on are of 'blau', 'grün', and those to train on are of 'blue', 'green'." in message
