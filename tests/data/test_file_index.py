"""What a table may call a file, and which file is meant."""

from pathlib import Path

import pytest

from convlens.data.file_index import FileIndex, FoundFile
from tests.data.drawn import put


@pytest.fixture
def index(tmp_path: Path) -> FileIndex:
    for file in (
        "cats/0001.jpg",
        "cats/IMG_2.JPG",
        "dogs/3.png",
        "dogs/a.b.png",
        "dogs/x y.jpg",
        "cats/5.jpg",
        "cats/cafe\u0301.jpg",
    ):
        put(tmp_path / file)
    for file in ("dogs/5.jpg", "cats/notes.txt", "dogs/7.jpg", "dogs/7.png"):
        put(tmp_path / file)
    return FileIndex(tmp_path)


@pytest.mark.parametrize(
    ("text", "file"),
    [
        ("./cats/0001.jpg", "cats/0001.jpg"),
        ("cats\\0001.jpg", "cats/0001.jpg"),
        ("0001.jpg", "cats/0001.jpg"),
        ("0001", "cats/0001.jpg"),
        ("1", "cats/0001.jpg"),
        ("1.0", "cats/0001.jpg"),
        ("0001.png", "cats/0001.jpg"),
        ("img_2.jpg", "cats/IMG_2.JPG"),
        ("CATS/img_2", "cats/IMG_2.JPG"),
        ("a.b", "dogs/a.b.png"),
        ("'dogs/3.png'", "dogs/3.png"),
        ('"3.png"', "dogs/3.png"),
        ("/home/me/images/dogs/3.png", "dogs/3.png"),
        ("C:\\Users\\me\\images\\dogs\\3.png", "dogs/3.png"),
        ("images/3.png", "dogs/3.png"),
        ("https://example.org/set/x%20y.jpg?size=1#top", "dogs/x y.jpg"),
        ("elsewhere/dogs/5.jpg", "dogs/5.jpg"),
        ("7.png", "dogs/7.png"),
        ("caf\u00e9.jpg", "cats/cafe\u0301.jpg"),
    ],
)
def test_the_only_file_that_fits(index: FileIndex, text: str, file: str) -> None:
    assert index.find(text).file == file


def test_whether_it_is_called_so(index: FileIndex, tmp_path: Path) -> None:
    assert index.find("cats/5.jpg") == FoundFile("cats/5.jpg", True)
    assert index.find(f"{tmp_path}/cats/5.jpg") == FoundFile("cats/5.jpg", True)
    assert index.find("cats\\5.jpg") == FoundFile("cats/5.jpg", False)


@pytest.mark.parametrize(
    ("text", "several"), [("5.jpg", ("cats/5.jpg", "dogs/5.jpg")), ("7", ("dogs/7.jpg", "dogs/7.png"))]
)
def test_several_that_fit(index: FileIndex, text: str, several: tuple[str, ...]) -> None:
    assert index.find(text) == FoundFile(None, False, several)


@pytest.mark.parametrize(
    "text", ["cats", "cats/3.png", "x/cats/3.png", "3.txt", "notes", "9.jpg", "0", "", "/", "...", "x" * 999]
)
def test_none_that_fits(index: FileIndex, text: str) -> None:
    assert index.find(text) == FoundFile(None, False)


def test_the_nearest_name(index: FileIndex) -> None:
    assert index.nearest("IMG2.jpg") == "cats/IMG_2.JPG"
    assert index.nearest("qqqqqqqqqq") is None
