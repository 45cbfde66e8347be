"""Audit of folders in which labels are known to be wrong."""

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from convlens.core.audit import AuditRecord
from convlens.core.errors import DataError, UsageError
from convlens.data.layout import Layout
from convlens.data.scan import scan
from convlens.tasks.audit import audit
from tests.images import draw_images

HOUSE = {"backbone": "house", "size": 64}
WRONG = ("red0.png", "red1.png")
"""Images of red that lie among those of blue."""


def draw_tinted(folder: Path, kind: str, count: int, seed: int) -> None:
    """Images of blocks of which no two look alike, all of them tinted."""
    folder.mkdir(parents=True, exist_ok=True)
    draw = np.random.default_rng([seed, len(kind)])
    tint = {"red": (80, 0, 0), "blue": (0, 0, 80)}[kind]
    for number in range(count):
        pixels = draw.uniform(40, 170, (8, 8, 1)).repeat(8, 0).repeat(8, 1) + tint
        Image.fromarray(pixels.astype(np.uint8)).save(folder / f"{kind}{number}.png")


def with_wrong_labels(folder: Path, count: int = 30, seed: int = 1) -> Path:
    """Images of two classes, of which two lie in the folder of the other class."""
    for kind in ("red", "blue"):
        draw_tinted(folder / kind, kind, count, seed)
    for name in WRONG:
        (folder / "red" / name).rename(folder / "blue" / name)
    return folder


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def audited(tmp_path_factory: pytest.TempPathFactory, module_cache: Path) -> tuple[Path, AuditRecord, Path]:
    """A folder with wrong labels and an image under two labels, its audit, and the table that was written."""
    place = tmp_path_factory.mktemp("audit")
    folder = with_wrong_labels(place / "images")
    shutil.copy(folder / "red/red5.png", folder / "blue/copy.png")
    table = place / "corrected.csv"
    return folder, audit(folder, **HOUSE, write=table, confidence=0.5, out=place / "out"), table


def test_wrong_labels_are_the_suspects(audited: tuple[Path, AuditRecord, Path]) -> None:
    _, record, _ = audited
    labels = record.labels
    assert labels.suspects
    assert {one.file for one in (*labels.suspects, *labels.doubts)} == {f"blue/{name}" for name in WRONG}
    assert {(one.given, one.suggested) for one in labels.suspects} == {("blue", "red")}
    assert all(one.given_probability < 0.5 < one.suggested_probability for one in labels.suspects)
    assert all(near.file.startswith("red/") for one in labels.suspects for near in one.disagreeing)
    assert all(near.file.startswith("blue/") for one in labels.suspects for near in one.agreeing)
    assert 0 < labels.noise < 0.06
    assert {one.name: one.confused_with for one in labels.classes}["blue"] == "red"
    assert labels.sealed is None


def test_the_same_bytes_under_two_labels_are_certain(audited: tuple[Path, AuditRecord, Path]) -> None:
    _, record, _ = audited
    (found,) = record.labels.contradictions
    assert found.files == ["blue/copy.png", "red/red5.png"]
    assert (found.labels, found.suggested) == (["blue", "red"], "red")
    assert record.labels.images == 59


def test_the_table_that_is_written_can_be_trained_on(audited: tuple[Path, AuditRecord, Path]) -> None:
    folder, record, table = audited
    assert record.written is not None
    assert record.written.taken == record.written.suspects == len(record.labels.suspects)
    taken = {one.file: one.suggested for one in record.labels.suspects}
    there = {path.relative_to(folder).as_posix(): path.parent.name for path in folder.rglob("*.png")}
    assert {row["file"]: row["label"] for row in rows(table)} == there | taken
    manifest = scan(folder, layout=Layout(labels=table))
    assert manifest.classes == ("blue", "red")
    assert len(manifest.images) == 59


def test_the_record_is_on_the_disk(audited: tuple[Path, AuditRecord, Path]) -> None:
    _, record, table = audited
    stored = AuditRecord.from_json((table.parent / "out/audit.json").read_bytes(), "audit.json")
    assert stored == record
    assert audit_is_no_class(table.parent)


def audit_is_no_class(place: Path) -> bool:
    """An audit among the class folders is left out of the next scan."""
    shutil.copytree(place / "out", place / "images/audits/one")
    manifest = scan(place / "images")
    shutil.rmtree(place / "images/audits")
    return manifest.classes == ("blue", "red")


def test_a_corrected_table_is_worth_what_it_gains_on_unchanged_labels(tmp_path: Path) -> None:
    folder = tmp_path / "images"
    with_wrong_labels(folder / "train")
    with_wrong_labels(folder / "test", 20, seed=5)
    table = tmp_path / "corrected.csv"
    record = audit(folder, **HOUSE, write=table, confidence=0.5, out=tmp_path / "one")
    labels, sealed = record.labels, record.labels.sealed
    assert sealed is not None
    assert {one.file for one in labels.suspects} < {f"train/blue/{name}" for name in ("", *WRONG)}
    assert (sealed.side, sealed.images) == ("test", 40)
    assert 0 < sealed.suspects == sealed.controls
    shown = [one.file for one in sealed.blind]
    assert len(shown) == 2 * sealed.suspects
    wrong = [file for file in shown if file in {f"test/blue/{name}" for name in WRONG}]
    assert len(wrong) == sealed.suspects
    assert all(set(one.classes) == {"red", "blue"} for one in sealed.blind)
    near = {found.file for one in sealed.blind for found in (*one.first, *one.second)}
    assert all(file.startswith("train/") for file in near)
    assert all(row["label"] in row["file"] for row in rows(table) if row["split"] == "test")
    text = table.read_text().replace(f"{wrong[0]},blue", f"{wrong[0]},red")
    table.write_text(text)
    gain = audit(folder, **HOUSE, corrected=table, out=tmp_path / "two").labels.gain
    assert gain is not None
    assert (gain.changed, gain.dropped, gain.evaluated_on, gain.images) == (len(labels.suspects), 0, "test", 40)
    assert gain.blind is not None
    assert (gain.blind.suspects.images, gain.blind.suspects.changed) == (sealed.suspects, 1)
    assert (gain.blind.controls.images, gain.blind.controls.changed) == (sealed.controls, 0)
    assert gain.blind.interval[0] < gain.blind.difference < gain.blind.interval[1]
    assert gain.interval[0] <= gain.difference <= gain.interval[1]
    assert gain.after - gain.before == pytest.approx(gain.difference)


def test_nothing_is_overwritten_and_the_request_is_checked(tmp_path: Path) -> None:
    folder = draw_images(tmp_path / "images", 4)
    there = tmp_path / "there.csv"
    there.write_text("mine")
    for wrong, told in (
        ({"write": there}, "already exists"),
        ({"out": tmp_path}, "already exists"),
        ({"confidence": 0.5}, "needs a table"),
        ({"corrected": tmp_path / "none.csv"}, r"corrected='.*none.csv': there is no such file"),
        ({"write": tmp_path / "new.csv", "confidence": 1.5}, "rate from 0%"),
    ):
        with pytest.raises(UsageError, match=told):
            audit(folder, **HOUSE, **wrong)
    assert there.read_text() == "mine"


def test_groups_of_a_table_stay_together_and_in_the_table(tmp_path: Path) -> None:
    folder = with_wrong_labels(tmp_path / "images", 12)
    files = sorted(path.relative_to(folder) for path in folder.rglob("*.png"))
    table = tmp_path / "labels.csv"
    lines = [f"{file.as_posix()},{file.parent.name},{file.parent.name}{n % 4}" for n, file in enumerate(files)]
    table.write_text("\n".join(["file,label,video", *lines]))
    written = tmp_path / "corrected.csv"
    record = audit(folder, **HOUSE, labels=table, group_by="video", write=written, out=tmp_path / "out")
    assert record.labels.folds == 4
    assert {row["file"]: row["video"] for row in rows(written)} == {row["file"]: row["video"] for row in rows(table)}


def test_numbers_are_no_classes(tmp_path: Path) -> None:
    draw_images(tmp_path, 4)
    table = tmp_path / "ages.csv"
    table.write_text("file,age\n" + "".join(f"blue/{n:03d}.png,{n}.5\n" for n in range(4)))
    with pytest.raises(UsageError, match="each image has one class"):
        audit(tmp_path, labels=table, **HOUSE)


def test_classes_that_look_like_numbers(tmp_path: Path, convlens) -> None:  # type: ignore[no-untyped-def]
    folder = with_wrong_labels(tmp_path / "images", 12)
    for name, number in (("red", "0.5"), ("blue", "1.0")):
        (folder / name).rename(folder / number)
    table = tmp_path / "corrected.csv"
    words = ("audit", folder, "--backbone", "house", "--size", 64, "--quiet")
    told = convlens(*words, "--write", table, "--out", tmp_path / "one").out
    assert f"--labels {table} --task classification\n" in told
    refused = convlens(*words, "--labels", table, "--out", tmp_path / "two")
    assert (refused.code, "set --task classification" in refused.err) == (2, True)
    assert convlens(*words, "--labels", table, "--task", "classification", "--out", tmp_path / "two").code == 0


def test_classes_with_too_few_images(tmp_path: Path) -> None:
    folder = draw_images(tmp_path / "images", 2)
    (folder / "blue").rename(folder / "yellow")
    with pytest.raises(DataError, match="at least two classes have 3 images"):
        audit(folder, **HOUSE, out=tmp_path / "out")
    with_wrong_labels(folder, 12)
    record = audit(folder, **HOUSE, out=tmp_path / "out")
    assert record.labels.not_judged == ["green", "yellow"]
    assert record.classes == ["blue", "red"]


def test_the_command(audited: tuple[Path, AuditRecord, Path], tmp_path: Path, convlens) -> None:  # type: ignore[no-untyped-def]
    folder, record, table = audited
    words = ("audit", folder, "--backbone", "house", "--size", 64, "--quiet")
    done = convlens(*words, "--out", tmp_path / "one")
    assert done.code == 0
    assert "blue/red0.png" in done.out
    assert "the same image has two labels: blue/copy.png (blue) and red/red5.png (red)" in done.out
    told = json.loads(convlens(*words, "--out", tmp_path / "two", "--json").out)
    assert told["labels"] == json.loads(record.to_json())["labels"]
    new = tmp_path / "new table.csv"
    done = convlens(*words, "--out", tmp_path / "three", "--corrected", table, "--write", new, "--confidence", "50%")
    assert f"{table} changes 1 label to learn from and leaves out 0 images" in done.out
    assert "on 59 held-out images as labeled" in done.out
    assert f"convlens train {folder} --labels '{new}'\n" in done.out
    refused = convlens(*words, "--out", tmp_path / "two")
    assert refused.code == 2
    assert "--out" in refused.err
