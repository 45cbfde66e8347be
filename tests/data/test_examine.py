"""What is said of a single file."""

import io

import numpy as np
import pytest
from PIL import Image, ImageFilter

from convlens.data.decode import BadImage
from convlens.data.examine import examine
from tests.data.drawn import encoded, noise, oriented, slopes


def words(data: bytes, file: str = "a.jpg") -> list[str]:
    return [word for word, _ in examine(data, file).remarks]


def busy(width: int = 320, height: int = 240) -> Image.Image:
    """Sharp squares: nothing is to be said of it."""
    cells = noise(width // 8, height // 8)
    return cells.resize((width, height), Image.Resampling.NEAREST)


def test_nothing_is_said_of_an_ordinary_image() -> None:
    found = examine(encoded(busy(), "JPEG", quality=90), "a.jpg")
    assert found.remarks == ()
    assert (found.format, found.size) == ("JPEG", (320, 240))


TREATED = {
    "16-bit": encoded(Image.fromarray(np.random.default_rng(0).integers(0, 65535, (64, 64), dtype=np.uint16)), "PNG"),
    "cmyk": encoded(busy().convert("CMYK"), "JPEG"),
    "palette": encoded(busy().quantize(64), "PNG"),
    "one-bit": encoded(busy().convert("1"), "PNG"),
    "alpha": encoded(busy().convert("RGBA"), "PNG"),
    "rotated": encoded(busy(), "JPEG", exif=oriented(6)),
    "animated": encoded(busy(), "WEBP", save_all=True, append_images=[noise(320, 240)]),
}


@pytest.mark.parametrize("word", TREATED)
def test_what_will_be_done_with_it(word: str) -> None:
    assert words(TREATED[word], "a") == [word]


@pytest.mark.parametrize(
    ("file", "said"),
    [
        ("a.png", True),
        ("a.JPG", False),
        ("a.jpeg", False),
        ("a.jfif", False),
        ("a", False),
        ("a.2024", False),
        ("a.tif", True),
    ],
)
def test_names_that_say_another_format(file: str, said: bool) -> None:
    assert (words(encoded(busy(), "JPEG"), file) == ["misnamed"]) == said


class TestShown:
    def test_dark(self) -> None:
        assert words(encoded(Image.eval(busy(), lambda value: value // 6), "PNG"), "a.png") == ["dark"]

    @pytest.mark.parametrize("color", ["white", (130, 120, 110)])
    def test_blank(self, color: str) -> None:
        assert words(encoded(Image.new("RGB", (300, 200), color), "JPEG")) == ["blank"]

    def test_blurred(self) -> None:
        cells = noise(16, 12).resize((320, 240), Image.Resampling.NEAREST)
        assert words(encoded(cells, "JPEG")) == []
        assert words(encoded(cells.filter(ImageFilter.GaussianBlur(14)), "JPEG")) == ["blurred"]
        assert words(encoded(slopes(320, 240), "JPEG")) == ["blurred"]

    def test_small(self) -> None:
        assert words(encoded(noise(31, 40), "PNG"), "a.png") == ["small"]
        assert words(encoded(noise(32, 40), "PNG"), "a.png") == []

    @pytest.mark.parametrize("size", [(60000, 10), (10, 60000)])
    def test_a_strange_aspect(self, size: tuple[int, int]) -> None:
        assert words(encoded(noise(*size), "PNG"), "a.png") == ["small"]


@pytest.mark.parametrize("size", [(1, 1), (60000, 1)])
def test_what_is_too_small_to_be_used(size: tuple[int, int]) -> None:
    with pytest.raises(BadImage) as refused:
        examine(encoded(noise(*size), "PNG"), "a.png")
    assert refused.value.reason == "tiny"


def test_a_jpeg_is_examined_like_the_same_image_without_loss() -> None:
    image = busy(1600, 1200)
    one, other = (examine(encoded(image, name), f"a.{name}") for name in ("JPEG", "PNG"))
    difference = np.frombuffer(one.signature, np.uint8).astype(int) - np.frombuffer(other.signature, np.uint8)
    assert np.abs(difference).max() <= 4
    assert Image.open(io.BytesIO(encoded(image, "JPEG"))).size == one.size == other.size
