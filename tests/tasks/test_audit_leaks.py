"""Audit of folders with planted leaks and shortcuts: each is named, and nothing is where nothing was planted."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from convlens.core.audit import AuditRecord
from convlens.tasks.audit import audit

HOUSE = {"backbone": "house", "size": 64}
_MODEL, _EXIF, _TAKEN = 0x0110, 0x8769, 0x9003


def draw(folder: Path, kind: str, count: int, seed: int) -> None:
    """Smooth noise, of which no two look alike, with waves along one side."""
    folder.mkdir(parents=True, exist_ok=True)
    drawn = np.random.default_rng([seed, len(kind)])
    for number in range(count):
        noise = Image.fromarray(drawn.integers(0, 256, (9, 9, 3), dtype=np.uint8)).resize((90, 90), Image.BICUBIC)
        waves = 40 * np.sin(np.arange(90) * 0.9)
        pixels = np.asarray(noise, dtype=np.float64) + (
            waves[:, None, None] if kind == "rows" else waves[None, :, None]
        )
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(folder / f"{kind}{seed}{number}.png")


def divided(folder: Path, count: int = 12) -> Path:
    for seed, side in enumerate(("train", "val")):
        for kind in ("rows", "columns"):
            draw(folder / side / kind, kind, count, seed)
    return folder


def with_exif(path: Path, minute: str) -> None:
    exif = Image.Exif()
    exif[_MODEL] = "Camera"
    exif.get_ifd(_EXIF)[_TAKEN] = f"2026:11:28 {minute}:01"
    with Image.open(path) as image:
        image.save(path, exif=exif)


def copied(image: Path, target: Path) -> None:
    shutil.copy(image, target)


def smaller(image: Path, target: Path) -> None:
    Image.open(image).resize((60, 60)).save(target, "JPEG", quality=60)


def mirrored(image: Path, target: Path) -> None:
    ImageOps.mirror(Image.open(image)).save(target)


def cropped(image: Path, target: Path) -> None:
    Image.open(image).crop((12, 5, 80, 73)).resize((90, 90)).save(target)


def uncropped(image: Path, target: Path) -> None:
    """The one to train on becomes the part."""
    shutil.copy(image, target)
    Image.open(image).crop((4, 6, 84, 86)).save(image)


def in_one_minute(image: Path, target: Path) -> None:
    draw(target.parent, "rows", 1, 99)
    (target.parent / "rows990.png").rename(target)
    with_exif(image, "12:30")
    with_exif(target, "12:30")


PLANTS: list[tuple[Callable[[Path, Path], None], str]] = [
    (copied, "same-bytes"),
    (smaller, "alike"),
    (mirrored, "mirrored"),
    (cropped, "cropped"),
    (uncropped, "cropped"),
    (in_one_minute, "minute"),
]


@pytest.fixture(scope="module")
def audited(tmp_path_factory: pytest.TempPathFactory, module_cache: Path) -> tuple[AuditRecord, Path]:
    """The audit of a folder with a leak of each kind."""
    place = tmp_path_factory.mktemp("leaks")
    folder = divided(place / "images")
    for number, (plant, _) in enumerate(PLANTS):
        plant(folder / f"train/rows/rows0{number}.png", folder / f"val/rows/{plant.__name__}.png")
    with_exif(folder / "val/columns/columns10.png", "12:31")  # a minute later
    return audit(folder, size=96, out=place / "out"), place / "out"  # by a network that knows images of all kinds


def test_a_leak_of_each_kind_is_found_and_no_other(audited: tuple[AuditRecord, Path]) -> None:
    record, _ = audited
    assert record.leaks is not None
    found = {one.file: (one.kind, one.like) for one in record.leaks.leaks}
    assert found == {
        f"val/rows/{plant.__name__}.png": (kind, f"train/rows/rows0{number}.png")
        for number, (plant, kind) in enumerate(PLANTS)
    }
    assert (record.leaks.side, record.leaks.images, record.leaks.trained_on) == ("val", 24 + len(PLANTS), 24)
    assert record.leaks.counts["cropped"] == 2


def test_accuracy_is_told_with_and_without_them(audited: tuple[AuditRecord, Path]) -> None:
    leaks = audited[0].leaks
    assert leaks is not None
    assert leaks.with_leaks is not None
    assert leaks.without_leaks is not None
    assert (leaks.with_leaks.images, leaks.without_leaks.images) == (24 + len(PLANTS), 24)


def test_the_page_and_the_record_name_them(audited: tuple[AuditRecord, Path]) -> None:
    record, folder = audited
    page = (folder / "audit.html").read_text()
    assert "one a part of the other" in page
    assert "val/rows/mirrored.png" in page
    assert AuditRecord.from_json((folder / "audit.json").read_text(), "") == record
    assert json.loads((folder / "audit.json").read_text())["leaks"]["side"] == "val"


def test_a_clean_split_has_none(tmp_path: Path) -> None:
    record = audit(divided(tmp_path / "images"), **HOUSE, out=tmp_path / "out")
    assert record.leaks is not None
    assert record.leaks.leaks == []
    assert record.leaks.with_leaks is None
    assert "None: no image of the val side" in (tmp_path / "out/audit.html").read_text()
    assert not [one for one in record.shortcuts.found if not one.content]


def test_a_folder_without_sides_has_nothing_to_leak(tmp_path: Path) -> None:
    for kind in ("rows", "columns"):
        draw(tmp_path / "images" / kind, kind, 8, 0)
    assert audit(tmp_path / "images", **HOUSE, out=tmp_path / "out").leaks is None


def test_a_group_on_both_sides_is_told(tmp_path: Path) -> None:
    folder = tmp_path / "images"
    rows = ["file,label,split,patient"]
    for kind in ("rows", "columns"):
        draw(folder, kind, 10, 0)
        rows += [f"{kind}0{n}.png,{kind},{'val' if n < 4 else 'train'},{kind}{n % 7}" for n in range(10)]
    (tmp_path / "labels.csv").write_text("\n".join(rows))
    record = audit(folder, **HOUSE, labels=tmp_path / "labels.csv", group_by="patient", out=tmp_path / "out")
    assert record.leaks is not None
    assert {(one.file, one.kind, one.like) for one in record.leaks.leaks} == {
        (f"{kind}0{n}.png", "group", f"{kind}0{n + 7}.png") for kind in ("rows", "columns") for n in range(3)
    }


@pytest.mark.parametrize(
    ("change", "fact"),
    [
        (lambda image, path: Image.eval(image, lambda value: value // 2 + 120).save(path, quality=90), "brightness"),
        (lambda image, path: image.save(path, quality=40), "JPEG quality"),
        (lambda image, path: image.crop((0, 0, 90, 70)).save(path, quality=90), "aspect ratio"),
        (lambda image, path: ImageOps.expand(image, 6, fill="white").save(path, quality=90), "border"),
    ],
)
def test_a_planted_shortcut_is_named(tmp_path: Path, change: Callable[[Image.Image, Path], None], fact: str) -> None:
    for kind in ("rows", "columns"):
        draw(tmp_path / "drawn" / kind, kind, 24, 0)
        (tmp_path / "images" / kind).mkdir(parents=True)
        for file in (tmp_path / "drawn" / kind).iterdir():
            path = tmp_path / "images" / kind / f"{file.stem}.jpg"
            if kind == "rows":
                change(Image.open(file), path)
            else:
                Image.open(file).save(path, quality=90)
    found = {one.fact: one for one in audit(tmp_path / "images", **HOUSE, out=tmp_path / "out").shortcuts.found}
    assert found[fact].accuracy > 0.9
    assert found[fact].here != found[fact].elsewhere
    assert found[fact].p_value < 0.01
