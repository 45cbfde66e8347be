"""The demo: scikit-learn's digits as a folder of images like anybody's."""

import pytest
from PIL import Image

from convlens.core.errors import MachineError
from convlens.tasks import demo


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    return demo.write_digits(tmp_path_factory.mktemp("demo") / "digits")


def test_digits_are_a_folder_of_images(digits):
    assert sorted(path.name for path in digits.iterdir()) == list("0123456789")
    assert sum(1 for _ in digits.glob("*/*.png")) == 1797
    assert [path.name for path in digits.parent.iterdir()] == ["digits"]
    with Image.open(digits / "0" / "0000.png") as image:
        assert (image.format, image.mode, image.size) == ("PNG", "L", (8, 8))
        assert image.getextrema() == (0, 239)  # the brightest value of the first digit is 15 of 16


def test_digits_that_are_there_stay(digits):
    before = (digits / "0" / "0000.png").stat().st_mtime_ns
    assert demo.write_digits(digits) == digits
    assert (digits / "0" / "0000.png").stat().st_mtime_ns == before


def test_place_that_cannot_be_written(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(MachineError, match="no access to"):
        demo.write_digits(tmp_path / "file" / "digits")


def test_demo_trains_the_house_network_on_them(tmp_path, monkeypatch):
    asked = {}
    monkeypatch.setattr(demo, "write_digits", lambda folder: folder)
    monkeypatch.setattr(demo, "train", lambda folder, **options: asked.update(folder=folder, **options))
    demo.demo(tmp_path, epochs=3, seed=5)
    assert asked["folder"] == tmp_path / "digits"
    assert (asked["epochs"], asked["seed"]) == (3, 5)
    assert asked["out"].parent == tmp_path / "runs"
    assert (asked["backbone"], asked["size"]) == ("house", 32)


@pytest.mark.slow
def test_the_digits_are_told_apart(tmp_path):
    assert demo.demo(tmp_path).accuracy >= 0.98
