"""Check on a folder with everything wrong that can be."""

import contextlib
import csv
import hashlib
import json
import os
import re
import shutil
import threading
import time
from pathlib import Path

import pytest
from PIL import Image

from convlens.core.check import CheckRecord
from convlens.core.errors import UsageError
from convlens.data.walk import files_below
from convlens.tasks import check as module
from convlens.tasks.check import check_images
from convlens.tasks.train import train
from tests.data.drawn import encoded, put
from tests.data.test_examine import TREATED, busy
from tests.data.test_perceptual_hash import photograph
from tests.report.page import parsed

HOSTILE = "<img src=x onerror=alert(1)>"


def photographs(root: Path, count: int = 4, classes: tuple[str, ...] = ("ants", "bees")) -> Path:
    for number, name in enumerate(classes):
        for n in range(count):
            put(root / name / f"{n}.png", encoded(photograph(1000 * number + n), "PNG"))
    return root


def reasons(record: CheckRecord) -> dict[str, str]:
    return {one.file: one.reason for one in record.problems if one.reason != "blurred"}


def digest(root: Path) -> str:
    files = [(str(path), path.stat().st_mtime_ns, path.read_bytes()) for path in files_below(root)]
    return hashlib.sha256(repr(files).encode()).hexdigest()


def test_counts_and_imbalance(tmp_path: Path) -> None:
    root = photographs(tmp_path / "p")
    put(root / "bees/9.png", encoded(photograph(77), "PNG"))
    record = check_images(root)
    assert [(one.name, one.images, one.unsplit) for one in record.classes] == [("ants", 4, 4), ("bees", 5, 5)]
    assert (record.files, record.usable, record.imbalance) == (9, 9, 5 / 4)
    assert record.formats == {"PNG": 9}
    assert record.shorter_side == (180, 180, 180)


def test_everything_that_can_be_wrong_is_named_and_nothing_is_changed(tmp_path: Path) -> None:
    root = photographs(tmp_path / "p")
    whole = (root / "ants/0.png").read_bytes()
    put(root / "ants/cut.png", whole[:1000])
    put(root / "ants/text.jpg", "a text")
    put(root / "ants/none.jpg", b"")
    put(root / "ants/named.jpg", encoded(busy(), "PNG"))
    put(root / "ants/again.png", whole)
    put(root / "bees/both.png", (root / "ants/1.png").read_bytes())
    put(root / "ants/smaller.jpg", encoded(photograph(2).resize((160, 120)), "JPEG"))
    put(root / "bees/alike.jpg", encoded(photograph(3), "JPEG", quality=50))
    put(root / "stray.png", whole)
    for word, data in TREATED.items():
        put(root / f"bees/{word}", data)
    before = digest(root)
    record = check_images(root, html=tmp_path / "page.html", fix_list=tmp_path / "fix.csv")
    assert digest(root) == before
    found = reasons(record)
    assert found["ants/cut.png"] == "truncated"
    assert found["ants/text.jpg"] == "not-an-image"
    assert found["ants/none.jpg"] == "empty"
    assert found["ants/named.jpg"] == "misnamed"
    assert found["ants/again.png"] == "duplicate"
    assert found["ants/1.png"] == found["bees/both.png"] == "two-labels"
    assert found["ants/smaller.jpg"] == "near-duplicate"
    assert found["bees/alike.jpg"] == "alike-two-labels"
    assert found["stray.png"] == "no-class"
    assert {word: found[f"bees/{word}"] for word in TREATED} == {word: word for word in TREATED}
    with (tmp_path / "fix.csv").open(newline="") as file:
        rows = {(row["file"], row["reason"], row["suggestion"]) for row in csv.DictReader(file)}
    assert {("ants/again.png", "duplicate", "remove"), ("ants/named.jpg", "misnamed", "rename")} <= rows
    assert "cmyk" not in {reason for _, reason, _ in rows}
    assert sum(one.images for one in record.classes) == record.usable
    assert record.bad_share == pytest.approx(7 / record.files)


def test_the_same_image_on_two_sides(tmp_path: Path) -> None:
    for side in ("train", "val"):
        photographs(tmp_path / side, classes=("ants", "bees") if side == "train" else ("bees", "ants"))
    shutil.rmtree(tmp_path / "val")
    for number, name in enumerate(("ants", "bees")):
        put(tmp_path / "val" / name / "new.png", encoded(photograph(500 + number), "PNG"))
    shutil.copy(tmp_path / "train/ants/0.png", tmp_path / "val/ants/copy.png")
    put(tmp_path / "val/ants/small.jpg", encoded(photograph(1).resize((120, 90)), "JPEG"))
    assert reasons(check_images(tmp_path)) == {
        "train/ants/0.png": "two-sides",
        "val/ants/small.jpg": "alike-two-sides",
    }


def test_classes_without_images_or_without_any_to_train_on(tmp_path: Path) -> None:
    photographs(tmp_path / "train")
    put(tmp_path / "val/wasps/0.png", encoded(photograph(900), "PNG"))
    put(tmp_path / "train/moths/text.jpg", "a text")
    (tmp_path / "train/flies").mkdir()
    record = check_images(tmp_path, html=tmp_path / "page.html", fix_list=tmp_path / "fix.csv")
    words = {file: reason for file, reason in reasons(record).items() if not file.startswith("val/")}
    assert words == {"train/moths/text.jpg": "not-an-image", "moths": "empty-class", "flies": "empty-class"}
    assert {one.reason for one in record.problems if one.file == "val/wasps/0.png" and not one.used} == {
        "unknown-class"
    }
    assert (record.files, record.usable) == (10, 8)
    assert record.imbalance is None
    assert "moths,add images or remove the folder,empty-class" in (tmp_path / "fix.csv").read_text()


def without_times(record: CheckRecord) -> dict[str, object]:
    return record.model_dump(exclude={"created", "seconds", "images_per_second"})


@pytest.mark.parametrize("order", ["check, train, check", "train, check"])
def test_what_is_found_does_not_depend_on_what_was_trained(
    tmp_path: Path, module_cache: Path, monkeypatch: pytest.MonkeyPatch, order: str
) -> None:
    """With copies that are mirrored or cropped, whose stored features are those of the originals, nearly."""
    root = photographs(tmp_path / "p", count=6)
    put(root / "ants/mirrored.png", encoded(photograph(1).transpose(Image.Transpose.FLIP_LEFT_RIGHT), "PNG"))
    put(root / "bees/cropped.png", encoded(photograph(2).crop((12, 9, 228, 171)), "PNG"))
    monkeypatch.setenv("CONVLENS_CACHE", str(tmp_path / "nothing-trained"))
    untrained = without_times(check_images(root))
    monkeypatch.setenv("CONVLENS_CACHE", str(tmp_path / "cache"))
    found = []
    for step in order.split(", "):
        if step == "train":
            train(root, backbone="house", epochs=1, size=64, out=tmp_path / "run")
        else:
            found.append(without_times(check_images(root)))
    assert found == [untrained] * order.count("check")


def test_both_of_a_pair_that_looks_alike_are_shown(tmp_path: Path) -> None:
    root = photographs(tmp_path / "p")
    put(root / "ants/smaller.jpg", encoded(photograph(2).resize((160, 120)), "JPEG"))
    record = check_images(root, html=tmp_path / "page.html")
    assert record.likes == {"ants/smaller.jpg": "ants/2.png"}
    page = (tmp_path / "page.html").read_text()
    (pair,) = re.findall(r'<figure class="pair">(.*?)</figure>', page, re.DOTALL)
    assert re.findall(r'<img src="data:image/jpeg;base64,[^"]+" alt="([^"]+)"', pair) == [
        "ants/smaller.jpg",
        "ants/2.png",
    ]


@pytest.mark.parametrize(
    ("more", "told"),
    [
        (0, "All classes have the same number of images."),
        (1, "The largest class has 1.25 times as many images as the smallest."),
    ],
)
def test_sentences_of_the_page_stand_apart(tmp_path: Path, more: int, told: str) -> None:
    root = photographs(tmp_path / "p")
    for number in range(more):
        put(root / f"bees/more{number}.png", encoded(photograph(700 + number), "PNG"))
    check_images(root, html=tmp_path / "page.html")
    text = " ".join(parsed(tmp_path / "page.html").text.split())
    assert f"(allowed: 5.0%). {told} Formats: {8 + more} PNG. Shorter sides: 180 to 180 pixels, median 180." in text


def test_documents_are_told_and_not_counted(tmp_path: Path) -> None:
    root = photographs(tmp_path / "p")
    for name in ("readme.txt", "ants/notes.md", "bees/labels.csv"):
        put(root / name, name)
    record = check_images(root)
    assert (record.files, record.usable, record.bad_share) == (8, 8, 0)
    assert record.reasons["document"] == 3


def test_an_archive(tmp_path: Path) -> None:
    photographs(tmp_path / "p")
    shutil.make_archive(str(tmp_path / "images"), "zip", tmp_path / "p")
    assert check_images(tmp_path / "images.zip").usable == 8


@pytest.mark.parametrize("most_bad", [-0.1, 1.5])
def test_a_part_that_is_none(tmp_path: Path, most_bad: float) -> None:
    with pytest.raises(UsageError, match=r"max_bad=.* from 0 to 1"):
        check_images(tmp_path, most_bad=most_bad)


def test_files_that_vanish_while_they_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = photographs(tmp_path / "p", count=40)

    def vanishing() -> None:
        for number in range(0, 40, 3):
            (root / "ants" / f"{number}.png").unlink()
            time.sleep(0.001)

    original = module.labeled_images

    def listed(*rest: object) -> object:
        found = original(*rest)  # type: ignore[arg-type]
        thread.start()
        return found

    thread = threading.Thread(target=vanishing)
    monkeypatch.setattr(module, "labeled_images", listed)
    record = check_images(root, html=tmp_path / "page.html")
    thread.join()
    gone = [one for one in record.problems if one.reason == "unreadable"]
    assert record.files == 80
    assert record.usable == 80 - len(gone)


NAMES = [
    b"with space.png",
    b"\"quoted'.png",
    b"new\nline.png",
    "\N{CAT FACE}.png".encode(),
    b"caf\xc3\xa9.png",
    b"cafe\xcc\x81.png",
]
NAMES += [b"latin-\xe9\xff.png", b"-rf.png", b"UPPER.png", b"upper.png", os.fsencode(HOSTILE.replace("/", "") + ".png")]


def hostile_folder(root: Path) -> Path:
    photographs(root, classes=("ants", HOSTILE))
    for number, name in enumerate(NAMES):
        put(Path(os.fsdecode(os.fsencode(root / "ants") + b"/" + name)), encoded(photograph(50 + number), "PNG"))
        put(Path(os.fsdecode(os.fsencode(root / HOSTILE) + b"/" + name)), b"no image")
    (root / "ants/loop").symlink_to(root)
    (root / "ants/ring.png").symlink_to(root / "ants/ring.png")
    os.mkfifo(root / "ants/fifo.png")
    return root


def test_any_name_stays_text_in_json_and_on_the_page(tmp_path: Path) -> None:
    record = check_images(hostile_folder(tmp_path / "p"), html=tmp_path / "page.html")
    assert record.usable == 8 + len(NAMES)
    again = CheckRecord.from_json(record.to_json(), "a test")
    assert again == record
    assert record.to_json().isascii()
    assert {one.name for one in again.classes} == {"ants", HOSTILE}
    assert {reason: json.loads(record.to_json())["reasons"][reason] for reason in ("not-an-image", "not-a-file")} == {
        "not-an-image": len(NAMES),
        "not-a-file": 1,
    }
    page = parsed(tmp_path / "page.html")
    assert not page.all("img", src="x")
    assert not page.all("script")
    assert all(image.attributes["src"].startswith("data:image/jpeg;base64,") for image in page.all("img"))
    assert HOSTILE in page.text


@pytest.mark.parametrize("option", ["html", "fix_list"])
def test_a_folder_in_the_place_of_a_file_is_refused_before_the_work(tmp_path: Path, option: str) -> None:
    (tmp_path / "pages").mkdir()
    with pytest.raises(
        UsageError, match=rf"{option}=.*/pages' is a folder. Give the name of a file, such as .*/pages/check"
    ):
        check_images(tmp_path / "nowhere", **{option: tmp_path / "pages"})


def test_the_page_of_a_table_of_numbers_tells_of_no_classes(tmp_path: Path) -> None:
    photographs(tmp_path / "p", 2)
    rows = "".join(f"{name}/{n}.png,{n}.5\n" for name in ("ants", "bees") for n in range(2))
    check_images(tmp_path / "p", labels=put(tmp_path / "t.csv", f"file,age\n{rows}"), html=tmp_path / "page.html")
    page = parsed(tmp_path / "page.html")
    assert "4 usable images" in page.text
    assert not [words for words in ("0 classes", "A class has", "Class by class") if words in page.text]
    assert "Classes" not in [heading.text for heading in page.all("h2")]


def test_the_page_stays_small_with_many_classes(tmp_path: Path) -> None:
    names = tuple(f"class{number:03d}" for number in range(60))
    with contextlib.suppress(FileExistsError):
        for number, name in enumerate(names):
            for n in range(3):
                put(tmp_path / "p" / name / f"{n}.png", encoded(photograph(number * 10 + n, (90, 70)), "PNG"))
    check_images(tmp_path / "p", html=tmp_path / "page.html")
    assert len(parsed(tmp_path / "page.html").all("h3")) >= 60
    assert (tmp_path / "page.html").stat().st_size < 6_000_000


def test_a_bomb_is_refused_and_listed(tmp_path: Path) -> None:
    root = photographs(tmp_path / "p")
    put(root / "ants/bomb.png", encoded(Image.new("1", (9000, 9000)), "PNG"))
    assert reasons(check_images(root)) == {"ants/bomb.png": "too-large"}
