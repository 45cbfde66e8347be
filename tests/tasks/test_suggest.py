"""Suggesting which images to label: what is left out, what is written, and how the labels come back."""

import numpy as np
import pytest
from PIL import Image

from convlens.core.errors import DataError, UsageError
from convlens.tasks.extend import extend
from convlens.tasks.predict import predict
from convlens.tasks.suggest import suggest
from convlens.tasks.train import train
from tests.stripes import HOUSE, draw_pattern, striped_images
from tests.tasks.test_extend import draw_tiles


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return striped_images(tmp_path_factory.mktemp("suggest") / "images", 12)


@pytest.fixture(scope="module")
def run(folder, module_cache):
    train(folder, out=folder.parent / "run", **HOUSE)
    return folder.parent / "run"


@pytest.fixture(scope="module")
def pool(tmp_path_factory):
    """Twenty images of rows, and ten that are no stripes."""
    root = tmp_path_factory.mktemp("pool")
    draw_pattern(root / "a", "rows", 20, 7)
    draw_tiles(root / "b", 10)
    return root


def test_what_the_run_is_unsure_of_comes_first(run, pool):
    record = suggest(run, pool, count=8)
    assert (record.images, record.known, len(record.suggestions)) == (30, 0, 8)
    assert sum(one.file.startswith("b/") for one in record.suggestions) >= 5
    said = {one.file: one.probabilities for one in predict(run, pool).predictions}
    for one in record.suggestions:
        assert one.likeliest == pytest.approx(said[str(pool / one.file)], abs=1e-3)
        assert list(one.likeliest.values()) == sorted(one.likeliest.values(), reverse=True)


def test_what_the_run_knows_and_copies_are_left_out(run, folder, pool, tmp_path):
    mixed = tmp_path / "mixed"
    mixed.mkdir()
    for path in [*(folder / "train" / "rows").iterdir(), *(pool / "b").iterdir()]:
        (mixed / path.name).write_bytes(path.read_bytes())
    (mixed / "copy.png").write_bytes((mixed / "0-0.png").read_bytes())
    (mixed / "bad.png").write_bytes(b"no image")
    record = suggest(run, mixed, count=50)
    assert (record.images, record.known) == (10, 12)
    assert sorted(one.file for one in record.suggestions) == [f"0-{number}.png" for number in range(10)]
    assert [one.file for one in record.bad_files] == ["bad.png"]
    with pytest.raises(DataError, match=r"none of 24 files is an image that .*run does not have already"):
        suggest(run, folder / "train")


def test_a_second_call_computes_nothing(run, pool):
    assert suggest(run, pool, count=3).computed == 30
    assert suggest(run, pool, count=3).computed == 0


def test_labels_come_back_by_extend(run, pool, tmp_path):
    record = suggest(run, pool, count=6, html=tmp_path / "label.html")
    page = (tmp_path / "label.html").read_text()
    assert page.count("data:image/jpeg;base64,") == 6
    assert "default-src 'none'" in page
    table = tmp_path / "labels.csv"
    named = {one.file: "rows" if one.file.startswith("a/") else "tiles" for one in record.suggestions}
    table.write_text("file,label\n" + "".join(f"{file},{label}\n" for file, label in named.items()))
    extended = extend(run, pool, labels=table, out=tmp_path / "run2")
    assert extended.extension.train + extended.extension.val == 6
    assert extended.extension.new_classes == ["tiles"]
    assert (suggest(tmp_path / "run2", pool).known, suggest(tmp_path / "run2", pool).images) == (6, 24)


def test_large_images_are_small_on_the_page(run, tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (1500, 2000, 3), dtype=np.uint8)
    (tmp_path / "pool").mkdir()
    Image.fromarray(noise).save(tmp_path / "pool" / "large.png")
    suggest(run, tmp_path / "pool", html=tmp_path / "label.html")
    assert (tmp_path / "label.html").stat().st_size < 200_000


def test_what_cannot_be_asked(run, pool, tmp_path):
    with pytest.raises(
        UsageError, match="resnet18 is the name of a network, and only a run knows what it is unsure of"
    ):
        suggest("resnet18", pool)
    with pytest.raises(UsageError, match="count=0: give a number of images, 1 or more"):
        suggest(run, pool, count=0)
    with pytest.raises(UsageError, match="no such folder"):
        suggest(run, tmp_path / "nowhere")
    with pytest.raises(UsageError, match="is a folder"):
        suggest(run, pool, html=tmp_path)
    with pytest.raises(UsageError, match="their order is wrong"):
        suggest(pool, run)
