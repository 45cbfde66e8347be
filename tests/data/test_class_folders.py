"""Which folders are taken for classes and which for sides of a split, and what is said of it."""

from collections import Counter
from pathlib import Path

import pytest

from convlens.core.errors import DataError
from convlens.core.settings import as_keywords
from convlens.data.layout import Layout
from convlens.data.manifest import Manifest
from convlens.data.scan import scan
from convlens.data.side_names import side_name
from tests.data.drawn import put

CLASSES = ("cats", "dogs")


def made(root: Path, *folders: str, names: tuple[str, ...] = CLASSES) -> Path:
    """The root, with two files for each of these classes in each of these folders."""
    for folder in folders:
        for name in names:
            for number in (1, 2):
                put(root / folder / name / f"{number}.jpg")
    return root


def counted(manifest: Manifest) -> dict[tuple[str, str | None], int]:
    return dict(Counter((*one.labels, one.side) for one in manifest.images))


def told(manifest: Manifest) -> str:
    return "\n".join(map(as_keywords, manifest.notices))


@pytest.mark.parametrize(
    ("text", "side", "rest"),
    [
        ("train", "train", ()),
        ("Validation", "val", ()),
        ("train_images", "train", ("images",)),
        ("val2017", "val", ("2017",)),
        ("seg_test", "test", ("seg",)),
        ("TrainingSet", "train", ("set",)),
        ("trainset", "train", ("set",)),
        ("PublicTest", "test", ("public",)),
        ("TEST-DATA", "test", ("data",)),
    ],
)
def test_the_side_that_a_name_means(text: str, side: str, rest: tuple[str, ...]) -> None:
    assert side_name(text) == (side, rest)


@pytest.mark.parametrize("text", ["", "cats", "train_test", "trains", "contest", "valley", "latest", "devon"])
def test_names_that_mean_no_side(text: str) -> None:
    assert side_name(text) is None


class TestSplits:
    @pytest.mark.parametrize(
        ("train", "val"),
        [
            ("train_images", "val_images"),
            ("training", "validation"),
            ("train2017", "val2017"),
            ("Training Set", "Dev Set"),
            ("flowers-train", "flowers-valid"),
            ("train/train", "val/val"),
            ("seg_train/seg_train", "seg_val/seg_val"),
            ("train/images", "val/images"),
            ("data/train", "data/val"),
            ("archive/data/trainset", "archive/data/valset"),
        ],
    )
    def test_any_spelling_and_nesting(self, tmp_path: Path, train: str, val: str) -> None:
        manifest = scan(made(tmp_path, train, val))
        assert manifest.classes == CLASSES
        assert counted(manifest) == {(name, side): 2 for name in CLASSES for side in ("train", "val")}
        assert manifest.problems == ()

    def test_what_is_said_and_how_to_say_otherwise(self, tmp_path: Path) -> None:
        made(tmp_path, "train_images", "val_images")
        assert told(scan(tmp_path)) == (
            "split folders: train_images (train), val_images (val). If these are classes, set predefined_split=False"
        )
        manifest = scan(tmp_path, layout=Layout(predefined_split=False))
        assert manifest.classes == ("train_images", "val_images")

    def test_nothing_is_said_of_a_split_as_it_is_documented(self, tmp_path: Path) -> None:
        assert scan(made(tmp_path, "train", "val", "test")).notices == ()

    def test_a_backup_beside_the_training_images_is_left_out(self, tmp_path: Path) -> None:
        manifest = scan(made(tmp_path, "train", "val", "train_new"))
        assert len(manifest.images) == 8
        assert "left out: train_new." in told(manifest)

    def test_training_images_beside_others(self, tmp_path: Path) -> None:
        put(made(tmp_path, "train") / "unlabeled/1.jpg")
        manifest = scan(tmp_path)
        assert manifest.classes == CLASSES
        assert told(manifest) == (
            "split folders: train (train); left out: unlabeled (no class folders). If these are classes, set "
            "predefined_split=False"
        )

    def test_classes_first(self, tmp_path: Path) -> None:
        manifest = scan(made(tmp_path, *CLASSES, names=("train", "val", "test")))
        assert manifest.classes == CLASSES
        assert counted(manifest) == {(name, side): 2 for name in CLASSES for side in ("train", "val", "test")}
        assert "split folders in each class: 'test', 'train', 'val'. If they are not a split, set" in told(manifest)

    def test_only_for_judging(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match="at least two classes with usable images to train on are needed"):
            scan(made(tmp_path, "val", "test"))

    @pytest.mark.parametrize("names", [("train", "test"), ("train_images", "val_images"), ("train", "val", "test")])
    def test_without_classes_it_is_refused(self, tmp_path: Path, names: tuple[str, ...]) -> None:
        made(tmp_path, "data", names=names)
        with pytest.raises(DataError, match=f"'{names[0]}', '{names[1]}'.*, which look like a split, but there are no"):
            scan(tmp_path)
        assert scan(tmp_path, layout=Layout(predefined_split=False)).classes == tuple(sorted(names))

    def test_without_classes_beside_another_folder(self, tmp_path: Path) -> None:
        made(tmp_path, "", names=("train_images", "test_images", "sample"))
        with pytest.raises(DataError, match="which look like a split"):
            scan(tmp_path)

    @pytest.mark.parametrize("names", [("bus", "test", "train"), ("bullet_train", "bus", "test_tube"), ("bus", "test")])
    @pytest.mark.parametrize("inner", ["", "a"])
    def test_classes_called_after_words_for_sides(self, tmp_path: Path, names: tuple[str, ...], inner: str) -> None:
        for name in names:
            put(tmp_path / name / ("" if name == "train" else inner) / "1.jpg")
        manifest = scan(tmp_path)
        assert manifest.classes == names
        two = names == ("bus", "test", "train")
        assert ("'test', 'train' are trained as classes. If they are a split, put" in told(manifest)) == two

    def test_nested_classes_keep_their_paths(self, tmp_path: Path) -> None:
        made(tmp_path, "train_set/animals", "val_set/animals")
        assert scan(tmp_path, layout=Layout(nested=True)).classes == ("animals/cats", "animals/dogs")


class TestOneFolderAroundAll:
    @pytest.mark.parametrize("around", ["data", "data/data", "a/b/c"])
    def test_it_is_gone_into(self, tmp_path: Path, around: str) -> None:
        put(made(tmp_path, around) / "data/README.md", "text")
        manifest = scan(tmp_path)
        assert manifest.classes == CLASSES
        assert told(manifest) == f"the class folders lie in {around}"

    def test_images_beside_it_are_named(self, tmp_path: Path) -> None:
        put(made(tmp_path, "data/data") / "data/loose.jpg")
        assert {one.file: one.reason for one in scan(tmp_path).problems} == {"data/loose.jpg": "no-class"}

    def test_documents_beside_it_do_not_make_it_a_class(self, tmp_path: Path) -> None:
        put(made(tmp_path, "images") / "annotations/list.txt", "text")
        manifest = scan(tmp_path)
        assert manifest.classes == CLASSES
        assert {one.file: one.reason for one in manifest.problems} == {"annotations": "document"}

    def test_an_empty_class_beside_it_makes_it_one(self, tmp_path: Path) -> None:
        (made(tmp_path, "big") / "small").mkdir()
        with pytest.raises(DataError, match="found only 'big'"):
            scan(tmp_path)

    def test_nested_classes_keep_their_paths(self, tmp_path: Path) -> None:
        made(tmp_path, "data")
        assert scan(tmp_path, layout=Layout(nested=True)).classes == ("data/cats", "data/dogs")


class TestSegmentation:
    @pytest.mark.parametrize(
        "names",
        [
            ("images", "masks"),
            ("Images", "annotations"),
            ("JPEGImages", "SegmentationClass", "Annotations"),
            ("images", "labels"),
            ("train", "train_masks"),
            ("imgs", "liver_mask"),
            ("test", "testannot", "train", "trainannot"),
            ("train", "train_labels", "val", "val_labels"),
        ],
    )
    @pytest.mark.parametrize("where", ["", "data", "train"])
    def test_it_is_refused(self, tmp_path: Path, names: tuple[str, ...], where: str) -> None:
        with pytest.raises(DataError, match="it looks like a data set for segmentation or detection"):
            scan(made(tmp_path, where, names=names))

    def test_below_sides(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match=r"/train holds images/, masks/: it looks like"):
            scan(made(tmp_path, "train", "val", names=("images", "masks")))

    @pytest.mark.parametrize(
        "names", [("masks", "scarfs"), ("images", "masks", "scarfs"), ("images", "texts"), ("dog", "dogseg", "x")]
    )
    def test_classes_with_such_names(self, tmp_path: Path, names: tuple[str, ...]) -> None:
        assert scan(made(tmp_path, "", names=names)).classes == names


class TestSpelling:
    @pytest.mark.parametrize(
        ("trained", "judged", "shown"),
        [
            ("cats", "Cats", "'Cats' and 'cats'"),
            ("golden retriever", "Golden_Retriever", "'Golden_Retriever' and 'golden retriever'"),
            ("café", "cafe\u0301", r"'cafe\u0301' and 'caf\xe9'"),
            ("t-shirt", "T Shirt", "'T Shirt' and 't-shirt'"),
        ],
    )
    def test_names_are_matched_over_the_split(self, tmp_path: Path, trained: str, judged: str, shown: str) -> None:
        made(tmp_path, "train", names=(trained, "dogs"))
        made(tmp_path, "val", names=(judged, "dogs"))
        manifest = scan(tmp_path)
        assert manifest.classes == tuple(sorted((trained, "dogs")))
        assert counted(manifest)[trained, "val"] == 2
        assert told(manifest) == (
            f"class folders outside the training images differ in spelling: {shown} are one class each"
        )

    def test_names_that_fit_two_are_not(self, tmp_path: Path) -> None:
        made(tmp_path, "train", names=("Cats", "cats"))
        made(tmp_path, "val", names=("CATS", "cats"))
        manifest = scan(tmp_path)
        assert {one.file: one.reason for one in manifest.problems} == dict.fromkeys(
            ["val/CATS/1.jpg", "val/CATS/2.jpg"], "unknown-class"
        )
        assert "'Cats', 'cats' are trained as 2 classes; if they are one, give their folders one name" in told(manifest)


class TestQuestions:
    @pytest.mark.parametrize(
        "names", [("2023", "2024"), ("2023-05-01", "2023-05-02"), ("camera1", "camera2"), ("100CANON", "101CANON")]
    )
    def test_dates_and_cameras(self, tmp_path: Path, names: tuple[str, ...]) -> None:
        manifest = scan(made(tmp_path, "", names=names))
        assert manifest.classes == names
        assert "If these are dates, cameras or parts and no classes, give a table of labels (labels='CSV')" in told(
            manifest
        )

    @pytest.mark.parametrize("names", [("0", "1"), ("2023", "cats"), ("daisy", "monday"), ("007", "100")])
    def test_no_question(self, tmp_path: Path, names: tuple[str, ...]) -> None:
        assert scan(made(tmp_path, "", names=names)).notices == ()

    def test_classes_that_all_hold_the_same_folders(self, tmp_path: Path) -> None:
        manifest = scan(made(tmp_path, "north", "south"))
        assert manifest.classes == ("north", "south")
        assert "Each class holds the same folders, 'cats', 'dogs': if those are the classes" in told(manifest)


def test_an_empty_folder_of_runs_is_no_class(tmp_path: Path) -> None:
    (made(tmp_path, "") / "runs").mkdir()
    manifest = scan(tmp_path)
    assert manifest.classes == CLASSES
    assert manifest.problems == ()
