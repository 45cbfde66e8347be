"""Embed and similar: vectors of a folder's images in a file, and the images most like another one."""

import csv
from pathlib import Path

import numpy as np
import pytest

from convlens.core.errors import DataError, UsageError
from convlens.tasks.embed import embed
from convlens.tasks.similar import similar
from convlens.tasks.train import train
from tests.stripes import HOUSE, draw_pattern, striped_images

NETWORK = {"backbone": "house", "size": 64}


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory, module_cache: object) -> Path:
    return striped_images(tmp_path_factory.mktemp("embed") / "images", 8)


def read_csv(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return [*csv.DictReader(file)]


def test_each_image_has_a_vector_and_its_label(images: Path, tmp_path: Path) -> None:
    (images / "train/rows/broken.png").write_bytes(b"no image")
    record = embed(images, out=tmp_path / "v.npy", **NETWORK)
    vectors, rows = np.load(tmp_path / "v.npy"), read_csv(tmp_path / "v.npy.csv")
    assert record.files == [str(tmp_path / "v.npy"), str(tmp_path / "v.npy.csv")]
    assert vectors.shape == (record.images, record.dimensions) == (32, 256)
    assert {row["file"].split("/")[1] for row in rows} == {row["label"] for row in rows} == {"rows", "columns"}
    assert [one.file for one in record.bad_files] == ["train/rows/broken.png"]
    again = embed(images, out=tmp_path / "v.csv", **NETWORK)
    assert again.computed == 0
    numbers = [[float(row[f"f{place}"]) for place in range(256)] for row in read_csv(tmp_path / "v.csv")]
    assert np.array_equal(np.array(numbers, dtype=np.float32), vectors)


def test_a_folder_without_classes_has_no_labels_and_that_is_said(images: Path, tmp_path: Path) -> None:
    told: list[str] = []
    record = embed(images.parent / "foreign", out=tmp_path / "v.csv", layer="layer1", say=told.append, **NETWORK)
    assert (record.columns, record.images, record.dimensions) == (["file"], 12, 32)
    assert [line for line in told if line.startswith("without labels: ")]


def test_a_file_that_exists_is_kept(images: Path, tmp_path: Path) -> None:
    (tmp_path / "v.csv").write_text("mine")
    with pytest.raises(UsageError, match="already exists"):
        embed(images, out=tmp_path / "v.csv", **NETWORK)
    assert (tmp_path / "v.csv").read_text() == "mine"


def test_images_of_the_class_are_most_similar_by_a_run(images: Path, tmp_path: Path) -> None:
    train(images, out=tmp_path / "run", **HOUSE)
    image = images / "val/rows/rows0.png"
    record = similar(image, images, count=9, backbone=tmp_path / "run", html=tmp_path / "page.html")
    first, *others = record.similar
    assert (first.file, first.same_bytes) == ("val/rows/rows0.png", True)
    assert first.similarity == pytest.approx(1, abs=1e-5)
    assert all("/rows/" in one.file and not one.same_bytes for one in others)
    found = [one.similarity for one in record.similar]
    assert found == sorted(found, reverse=True)
    assert record.searched == 32
    page = (tmp_path / "page.html").read_text()
    assert page.count("data:image/jpeg") == 10
    assert "<script" not in page


def test_names_stand_on_the_page_as_text(tmp_path: Path) -> None:
    folder = draw_pattern(tmp_path / "<b>bold & co", "rows", 2)
    similar(folder / "rows0.png", folder, html=tmp_path / "page.html", **NETWORK)
    page = (tmp_path / "page.html").read_text()
    assert "<b>bold" not in page
    assert "&lt;b&gt;bold &amp; co" in page


@pytest.mark.parametrize(
    ("change", "error", "told"),
    [
        ({"count": 0}, UsageError, "count=0"),
        ({"image": "."}, UsageError, "Give one image"),
        ({"image": "none.png"}, UsageError, "no such image"),
        ({"image": "text.png"}, DataError, "no readable image among 1 file; the first: text.png"),
        ({"folder": "empty"}, DataError, "no image in"),
        ({"layer": "layer9"}, UsageError, "layer9"),
    ],
)
def test_what_cannot_be_searched_is_told(
    tmp_path: Path, change: dict, error: type, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    draw_pattern(tmp_path / "images", "rows", 2)
    (tmp_path / "empty").mkdir()
    (tmp_path / "text.png").write_text("no image at all")
    given = {"image": "images/rows0.png", "folder": "images", **NETWORK, **change}
    with pytest.raises(error, match=told):
        similar(given.pop("image"), given.pop("folder"), **given)
