"""What a folder of images is taken for, and what is said about the files that cannot be used."""

import errno
import hashlib
import json
import os
from pathlib import Path

import pytest

from convlens.core.errors import DataError, UsageError
from convlens.core.kinds.kind import text_of
from convlens.core.run import Problem
from convlens.data.manifest import ImageFile, Manifest
from convlens.data.scan import image_at, scan
from convlens.data.walk import files_below
from tests.data.drawn import put


def sides(manifest: Manifest) -> dict[str, str | None]:
    return {image.file: image.side for image in manifest.images}


def problems(manifest: Manifest) -> dict[str, str]:
    return {problem.file: problem.reason for problem in manifest.problems}


def two_classes(root: Path) -> Path:
    for name in ("cats/1.jpg", "cats/2.jpg", "dogs/1.jpg", "dogs/2.jpg"):
        put(root / name)
    return root


class TestLayout:
    def test_a_folder_for_each_class(self, tmp_path: Path) -> None:
        manifest = scan(two_classes(tmp_path))
        assert manifest.classes == ("cats", "dogs")
        assert sides(manifest) == dict.fromkeys(["cats/1.jpg", "cats/2.jpg", "dogs/1.jpg", "dogs/2.jpg"])
        assert [text_of(image.labels) for image in manifest.images] == ["cats", "cats", "dogs", "dogs"]
        assert manifest.problems == ()

    @pytest.mark.parametrize("train", ["train", "Training", "TRAIN"])
    @pytest.mark.parametrize("val", ["val", "valid", "Validation", "dev", "eval"])
    def test_split_folders_in_any_spelling(self, tmp_path: Path, train: str, val: str) -> None:
        for side in (train, val, "testing"):
            two_classes(tmp_path / side)
        manifest = scan(tmp_path)
        assert manifest.classes == ("cats", "dogs")
        assert sides(manifest)[f"{train}/cats/1.jpg"] == "train"
        assert sides(manifest)[f"{val}/dogs/2.jpg"] == "val"
        assert sides(manifest)["testing/cats/1.jpg"] == "test"

    def test_train_and_test_without_val_leaves_training_images_to_be_split(self, tmp_path: Path) -> None:
        two_classes(tmp_path / "train")
        two_classes(tmp_path / "test")
        found = sides(scan(tmp_path))
        assert {side for file, side in found.items() if file.startswith("train/")} == {None}
        assert {side for file, side in found.items() if file.startswith("test/")} == {"test"}

    def test_a_class_may_be_called_train(self, tmp_path: Path) -> None:
        for name in ("train/1.jpg", "bus/1.jpg", "test/1.jpg"):
            put(tmp_path / name)
        manifest = scan(tmp_path)
        assert manifest.classes == ("bus", "test", "train")
        assert set(sides(manifest).values()) == {None}

    def test_a_test_folder_without_classes_does_not_turn_the_sides_into_classes(self, tmp_path: Path) -> None:
        two_classes(tmp_path / "train")
        put(tmp_path / "test/1.jpg")
        manifest = scan(tmp_path)
        assert manifest.classes == ("cats", "dogs")
        assert problems(manifest) == {"test": "no-class"}

    def test_what_lies_beside_the_class_folders_is_named(self, tmp_path: Path) -> None:
        for side in ("train", "val"):
            two_classes(tmp_path / side)
        put(tmp_path / "loose.jpg")
        put(tmp_path / "val/loose.jpg")
        put(tmp_path / "backup/cats/1.jpg")
        assert problems(scan(tmp_path)) == {
            "backup": "no-class",
            "loose.jpg": "no-class",
            "val/loose.jpg": "no-class",
        }

    def test_images_may_lie_deeper_in_a_class(self, tmp_path: Path) -> None:
        two_classes(tmp_path)
        put(tmp_path / "cats/persian/white/3.jpg")
        put(tmp_path / "cats/folder.jpg/4.jpg")
        found = {image.file: text_of(image.labels) for image in scan(tmp_path).images}
        assert found["cats/persian/white/3.jpg"] == "cats"
        assert found["cats/folder.jpg/4.jpg"] == "cats"

    def test_hidden_files_and_clutter_are_skipped(self, tmp_path: Path) -> None:
        two_classes(tmp_path)
        for name in (".git/x.jpg", "__MACOSX/cats/._1.jpg", ".DS_Store"):
            put(tmp_path / name)
        for name in (".DS_Store", "._1.jpg", "Thumbs.db", "desktop.ini", ".hidden/3.jpg", "@eaDir/1.jpg"):
            put(tmp_path / "cats" / name)
        manifest = scan(tmp_path)
        assert len(manifest.images) == 4
        assert manifest.problems == ()

    def test_images_come_in_the_order_of_their_names(self, tmp_path: Path) -> None:
        for number in (10, 2, 33, 1):
            for label in ("b", "a"):
                put(tmp_path / label / f"{number:02d}.jpg")
        files = [image.file for image in scan(tmp_path).images]
        assert files == sorted(files)

    def test_more_files_than_one_task_takes(self, tmp_path: Path) -> None:
        for number in range(150):
            put(tmp_path / "ab"[number % 2] / f"{number:03d}.jpg")
        files = [image.file for image in scan(tmp_path).images]
        assert len(files) == 150
        assert files == sorted(files)


class TestRefusals:
    def test_no_such_folder(self, tmp_path: Path) -> None:
        with pytest.raises(
            UsageError, match=r"no such folder: .*/nowhere\. Give a folder with one subfolder of images"
        ):
            scan(tmp_path / "nowhere")

    def test_a_file(self, tmp_path: Path) -> None:
        with pytest.raises(UsageError, match=r"cat\.jpg is a file, not a folder\. Give a folder with"):
            scan(put(tmp_path / "cat.jpg"))

    def test_no_class_folders(self, tmp_path: Path) -> None:
        put(tmp_path / "1.jpg")
        with pytest.raises(DataError, match=r"holds no class folders\. At least two are needed: .*/cats/\*\.jpg"):
            scan(tmp_path)

    @pytest.mark.parametrize("inside", ["cats/1.jpg", "train/cats/1.jpg"])
    def test_one_class_only(self, tmp_path: Path, inside: str) -> None:
        put(tmp_path / inside)
        with pytest.raises(DataError, match=r"holds one class folder only, 'cats'\. At least two are needed"):
            scan(tmp_path)

    def test_one_class_with_images(self, tmp_path: Path) -> None:
        put(tmp_path / "cats/1.jpg")
        put(tmp_path / "dogs/1.jpg", b"")
        with pytest.raises(DataError, match=r"found only 'cats'\..* Not used: 1, such as dogs/1\.jpg: empty, the file"):
            scan(tmp_path)

    def test_no_images_at_all(self, tmp_path: Path) -> None:
        for name in ("cats", "dogs"):
            (tmp_path / name).mkdir()
        with pytest.raises(DataError, match=r"at least two classes with usable images .* found none\."):
            scan(tmp_path)

    def test_a_folder_that_may_not_be_listed(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(path: Path) -> None:
            raise PermissionError(errno.EACCES, "Permission denied", str(path))

        monkeypatch.setattr(Path, "iterdir", refuse)
        with pytest.raises(DataError, match=r"cannot list .*: Permission denied\. Give a folder .* you may read"):
            scan(tmp_path)


class TestClasses:
    def test_an_empty_class_is_reported(self, tmp_path: Path) -> None:
        two_classes(tmp_path)
        (tmp_path / "birds").mkdir()
        manifest = scan(tmp_path)
        assert manifest.classes == ("cats", "dogs")
        assert problems(manifest) == {"birds": "empty-class"}

    def test_images_of_a_class_without_training_images_are_reported(self, tmp_path: Path) -> None:
        for side in ("train", "val"):
            two_classes(tmp_path / side)
        put(tmp_path / "val/birds/1.jpg")
        put(tmp_path / "val/catz/1.jpg")
        manifest = scan(tmp_path)
        assert manifest.classes == ("cats", "dogs")
        assert problems(manifest) == {"val/birds/1.jpg": "unknown-class", "val/catz/1.jpg": "unknown-class"}
        assert {problem.detail for problem in manifest.problems} == {
            "no usable training image of class 'birds'",
            "no usable training image of class 'catz'; the nearest that has some is 'cats'",
        }

    def test_names_that_differ_in_case_only_are_different(self, tmp_path: Path) -> None:
        for name in ("Cats/1.jpg", "cats/1.jpg", "cats/1.JPG"):
            put(tmp_path / name)
        manifest = scan(tmp_path)
        assert manifest.classes == ("Cats", "cats")
        assert len(manifest.images) == 3


class TestDuplicates:
    def test_in_one_class_the_first_stays(self, tmp_path: Path) -> None:
        two_classes(tmp_path)
        put(tmp_path / "cats/0.jpg", "same")
        put(tmp_path / "cats/9.jpg", "same")
        manifest = scan(tmp_path)
        assert "cats/0.jpg" in sides(manifest)
        assert [p.model_dump() for p in manifest.problems] == [
            {"file": "cats/9.jpg", "reason": "duplicate", "detail": "same bytes as cats/0.jpg", "used": False}
        ]

    @pytest.mark.parametrize(
        ("where", "stays"),
        [(("train", "val"), "val"), (("train", "test"), "test"), (("train", "val", "test"), "test")],
    )
    def test_over_the_split_the_image_for_judging_stays(
        self, tmp_path: Path, where: tuple[str, ...], stays: str
    ) -> None:
        for side in ("train", "val", "test"):
            two_classes(tmp_path / side)
        for side in where:
            put(tmp_path / side / "cats/same.jpg", "same")
        manifest = scan(tmp_path)
        assert [file for file in sides(manifest) if "same" in file] == [f"{stays}/cats/same.jpg"]
        assert set(problems(manifest).values()) == {"duplicate"}
        assert len(manifest.problems) == len(where) - 1

    def test_under_two_labels_none_is_used(self, tmp_path: Path) -> None:
        two_classes(tmp_path)
        for name in ("cats/same.jpg", "cats/again.jpg", "dogs/same.jpg"):
            put(tmp_path / name, "same")
        manifest = scan(tmp_path)
        assert len(manifest.images) == 4
        assert {problem.file: problem.detail for problem in manifest.problems} == {
            "cats/again.jpg": "same bytes as dogs/same.jpg; none of them is used",
            "cats/same.jpg": "same bytes as dogs/same.jpg; none of them is used",
            "dogs/same.jpg": "same bytes as cats/again.jpg; none of them is used",
        }


class TestFilesThatCannotBeUsed:
    def test_each_is_named_and_the_rest_go_on(self, tmp_path: Path) -> None:
        cats = two_classes(tmp_path) / "cats"
        (cats / "dangling.jpg").symlink_to(tmp_path / "nowhere.jpg")
        os.mkfifo(cats / "fifo.jpg")
        put(cats / "nothing.jpg", b"")
        (cats / "device.jpg").symlink_to("/dev/zero")
        (cats / "ring.jpg").symlink_to(cats / "ring.jpg")
        with put(cats / "huge.jpg").open("r+b") as sparse:
            sparse.truncate(600 * 2**20)
        manifest = scan(tmp_path)
        assert len(manifest.images) == 4
        assert problems(manifest) == {
            "cats/dangling.jpg": "unreadable",
            "cats/fifo.jpg": "not-a-file",
            "cats/nothing.jpg": "empty",
            "cats/device.jpg": "not-a-file",
            "cats/ring.jpg": "unreadable",
            "cats/huge.jpg": "too-large",
        }
        assert not any(problem.used for problem in manifest.problems)

    def test_a_folder_that_cannot_be_listed(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        locked = put(two_classes(tmp_path) / "cats/locked/3.jpg").parent
        scandir = os.scandir

        def refuse(path: str) -> object:
            if str(path) == str(locked):
                raise PermissionError(errno.EACCES, "Permission denied", str(path))
            return scandir(path)

        monkeypatch.setattr(os, "scandir", refuse)
        manifest = scan(tmp_path)
        assert len(manifest.images) == 4
        assert problems(manifest) == {"cats/locked": "unreadable"}

    def test_a_file_that_may_not_be_read(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(path: Path) -> bytes:
            raise PermissionError(errno.EACCES, "Permission denied", str(path))

        file = put(tmp_path / "1.jpg")
        monkeypatch.setattr(Path, "read_bytes", refuse)
        assert image_at(file, "1.jpg") == Problem(
            file="1.jpg", reason="unreadable", detail="Permission denied", used=False
        )

    def test_large_files_hash_like_small_ones(self, tmp_path: Path) -> None:
        content = bytes(range(256)) * 8192  # 2 MiB
        image = image_at(put(tmp_path / "large.bmp", content), "large.bmp")
        assert isinstance(image, ImageFile)
        assert image.bytes == len(content)
        assert image.sha256 == hashlib.sha256(content).hexdigest()


class TestLinks:
    def test_a_linked_image_and_a_linked_class_count(self, tmp_path: Path) -> None:
        root = two_classes(tmp_path / "images")
        (root / "cats/3.jpg").symlink_to(put(tmp_path / "elsewhere/3.jpg"))
        (root / "birds").symlink_to(put(tmp_path / "birds/1.jpg").parent)
        found = sides(scan(root))
        assert "cats/3.jpg" in found
        assert "birds/1.jpg" in found

    def test_a_link_to_the_folder_above_does_not_mix_the_classes(self, tmp_path: Path) -> None:
        root = two_classes(tmp_path)
        (root / "cats/up").symlink_to(root)
        (root / "cats/here").symlink_to(root / "cats")
        manifest = scan(root)
        assert len(manifest.images) == 4
        assert manifest.problems == ()

    def test_files_below_ends_for_links_in_a_circle(self, tmp_path: Path) -> None:
        put(tmp_path / "a/1.jpg")
        put(tmp_path / "b/2.jpg")
        (tmp_path / "a/to-b").symlink_to(tmp_path / "b")
        (tmp_path / "b/to-a").symlink_to(tmp_path / "a")
        assert sorted(path.name for path in files_below(tmp_path)) == ["1.jpg", "2.jpg"]


NAMES = [
    b"with space.jpg",
    b'it\'s "quoted".jpg',
    b"new\nline.jpg",
    "\N{CAT FACE} caf\N{LATIN SMALL LETTER E WITH ACUTE}.jpg".encode(),
    b"latin-\xe9\xff.jpg",
    b"-rf.jpg",
    b"back\\slash.jpg",
    b"%s{0}[bold].jpg",
]


@pytest.mark.parametrize("name", NAMES)
def test_any_file_name_survives_the_way_to_json(tmp_path: Path, name: bytes) -> None:
    two_classes(tmp_path)
    good = Path(os.fsdecode(os.fsencode(tmp_path / "cats") + b"/" + name))
    bad = Path(os.fsdecode(os.fsencode(tmp_path / "dogs") + b"/" + name))
    put(good, "image")
    put(bad, b"")
    manifest = scan(tmp_path)
    (image,) = (image for image in manifest.images if image.path == good)
    (problem,) = manifest.problems
    assert image.path.read_bytes() == b"image"
    assert image.file == "cats/" + name.decode("utf-8", "backslashreplace")
    text = problem.to_json()
    assert text.isascii()
    assert json.loads(text)["file"] == problem.file == "dogs/" + name.decode("utf-8", "backslashreplace")
    assert Problem.from_json(text, "a test") == problem


def test_class_and_folder_names_that_are_not_utf8_can_be_shown(tmp_path: Path) -> None:
    root = Path(os.fsdecode(os.fsencode(tmp_path) + b"/r\xff"))
    put(root / os.fsdecode(b"caf\xe9/1.jpg"))
    put(root / "dogs/1.jpg")
    manifest = scan(root)
    assert manifest.classes == ("caf\\xe9", "dogs")
    assert manifest.folder.endswith("r\\xff")
