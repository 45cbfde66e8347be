"""Map: a page with the images of a folder, by class or by groups that are found."""

from pathlib import Path

import pytest

from convlens.core.errors import DataError, UsageError
from convlens.report.map_page import columns_of
from convlens.tasks import map as module
from convlens.tasks.map import map_images
from tests.stripes import draw_pattern, striped_images

NETWORK = {"backbone": "house", "size": 64}


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory, module_cache: object) -> Path:
    return striped_images(tmp_path_factory.mktemp("map") / "images", 6)


def test_classes_are_its_groups(images: Path, tmp_path: Path) -> None:
    record = map_images(images, out=tmp_path / "map.html", method="pca", **NETWORK)
    assert record.by_class
    assert [(one.name, one.images) for one in record.groups] == [("columns", 12), ("rows", 12)]
    assert (record.images, record.shown) == (24, 24)
    page = (tmp_path / "map.html").read_text()
    assert page.count("data:image/jpeg") == 1
    assert page.count('role="img"') == 16


def test_groups_are_found_where_there_are_no_classes(images: Path, tmp_path: Path) -> None:
    folder = tmp_path / "mixed"
    for kind in ("rows", "columns", "blobs"):
        draw_pattern(folder, kind, 8)
    record = map_images(folder, out=tmp_path / "map.html", clusters=3, **NETWORK)
    assert not record.by_class
    assert [one.name for one in record.groups] == ["group 1", "group 2", "group 3"]
    blobs = next(one for one in record.groups if any("blobs" in file for file in one.central))
    assert all("blobs" in file for file in blobs.central)


def test_of_many_images_a_part_is_shown(images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_SHOWN", 10)
    record = map_images(images, out=tmp_path / "map.html", method="pca", **NETWORK)
    assert (record.images, record.shown) == (24, 10)
    assert sum(one.images for one in record.groups) == 10


@pytest.mark.parametrize(
    ("change", "told"),
    [({"method": "umap"}, "method"), ({"clusters": 1}, "clusters=1"), ({"clusters": 24}, "from 2 to 23")],
)
def test_what_makes_no_sense_is_refused(images: Path, tmp_path: Path, change: dict, told: str) -> None:
    with pytest.raises(UsageError, match=told):
        map_images(images, out=tmp_path / "map.html", **{**NETWORK, **change})
    assert not (tmp_path / "map.html").exists()


def test_two_images_make_no_map(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="2 images that can be read, and a map takes 3"):
        map_images(draw_pattern(tmp_path / "images", "rows", 2), out=tmp_path / "map.html", **NETWORK)


def test_the_sheet_is_nearly_square() -> None:
    assert [columns_of(count) for count in (1, 2, 4, 5, 9, 10, 2000)] == [1, 2, 2, 3, 3, 4, 45]
