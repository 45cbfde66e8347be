"""Signatures: the same image is known again, another one is not, and no pair is missed."""

import io
from itertools import combinations

import numpy as np
import pytest
from PIL import Image, ImageEnhance, ImageFilter

from convlens.data import neighbors
from convlens.data.neighbors import connected
from convlens.data.perceptual_hash import (
    LEAST_COSINE,
    SIDE,
    SIGNATURE_BYTES,
    alike,
    is_like_one_of,
    signature,
)
from tests.data.drawn import slopes


def photograph(seed: int, size: tuple[int, int] = (240, 180)) -> Image.Image:
    """Smooth shapes of several scales, as in photographs."""
    random = np.random.default_rng(seed)
    image = np.zeros((size[1], size[0], 3))
    for cells in (3, 6, 12):
        noise = Image.fromarray(random.integers(0, 256, (cells, cells, 3), dtype=np.uint8))
        image += np.asarray(noise.resize(size, Image.Resampling.BICUBIC), dtype=np.float64) / 3
    return Image.fromarray(image.clip(0, 255).astype(np.uint8))


def as_jpeg(image: Image.Image, quality: int) -> Image.Image:
    file = io.BytesIO()
    image.save(file, "JPEG", quality=quality)
    return Image.open(file).convert("RGB")


CHANGES = {
    "half the size": lambda image: image.resize((image.width // 2, image.height // 2)),
    "twice the size": lambda image: image.resize((image.width * 2, image.height * 2)),
    "another shape": lambda image: image.resize((200, 200)),
    "JPEG of low quality": lambda image: as_jpeg(image, 30),
    "brighter": lambda image: ImageEnhance.Brightness(image).enhance(1.1),
    "more contrast": lambda image: ImageEnhance.Contrast(image).enhance(1.1),
    "sharpened": lambda image: image.filter(ImageFilter.SHARPEN),
    "a crop of 1%": lambda image: image.crop((1, 1, image.width - 1, image.height - 1)),
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("seed", range(4))
def test_the_same_image_is_known_again(change: str, seed: int) -> None:
    image = photograph(seed)
    assert list(alike([signature(image), signature(CHANGES[change](image))])) == [(0, 1)]


OTHERS = {
    "mirrored": lambda image: image.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
    "turned": lambda image: image.transpose(Image.Transpose.ROTATE_90),
    "its negative": lambda image: Image.eval(image, lambda value: 255 - value),
    "without its colors": lambda image: ImageEnhance.Color(image).enhance(0.0),
    "another": lambda image: photograph(99),
}


@pytest.mark.parametrize("other", OTHERS)
def test_another_image_is_not(other: str) -> None:
    image = photograph(0)
    assert list(alike([signature(image), signature(OTHERS[other](image))])) == []


@pytest.mark.parametrize("color", ["black", "white", (10, 200, 30)])
def test_blank_images_are_like_none(color: object) -> None:
    blank = signature(Image.new("RGB", (50, 40), color))  # type: ignore[arg-type]
    assert len(blank) == SIGNATURE_BYTES
    assert list(alike([blank, blank])) == []


def test_places_count_with_the_empty_ones() -> None:
    one = signature(slopes())
    assert list(alike([b"", one, b"", one])) == [(1, 3)]
    assert list(alike([])) == []
    assert list(alike([b"", b""])) == []


def test_no_pair_is_missed_and_none_is_invented(monkeypatch: pytest.MonkeyPatch) -> None:
    """Against every pair, one by one; over the borders of blocks."""
    for name in ("_PROJECTED_AT_ONCE", "_ROWS_AT_ONCE", "_COLUMNS_AT_ONCE", "_JUDGED_AT_ONCE"):
        monkeypatch.setattr(neighbors, name, 16)
    random = np.random.default_rng(0)
    images = [photograph(seed, (64, 48)) for seed in range(60)]
    images += [image.resize((random.integers(20, 80), 40)) for image in images[::3]]
    found = [signature(image) for image in images]
    grids = np.array([np.frombuffer(one, np.uint8).reshape(SIDE, SIDE, 3) for one in found]).astype(float)
    vectors = [np.concatenate([np.diff(one[..., 0], axis=axis).ravel() for axis in (0, 1)]) for one in grids]
    expected = {
        (i, j)
        for i, j in combinations(range(len(found)), 2)
        if vectors[i] @ vectors[j] >= LEAST_COSINE * np.linalg.norm(vectors[i]) * np.linalg.norm(vectors[j])
        and np.abs(grids[i][..., 1:] - grids[j][..., 1:]).mean() <= 8
    }
    assert len(expected) >= 20
    pairs = list(alike(found))
    assert set(pairs) <= expected
    assert connected(len(found), pairs) == connected(len(found), sorted(expected))


def test_many_images_of_one_scene_are_connected_by_few_pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(neighbors, "_JUDGED_AT_ONCE", 512)
    scene = np.asarray(photograph(0, (90, 90)), dtype=np.int16)
    noise = np.random.default_rng(0).integers(-9, 10, (500, *scene.shape))
    found = [signature(Image.fromarray((scene + one).clip(0, 255).astype(np.uint8))) for one in noise]
    pairs = list(alike(found))
    assert connected(500, pairs) == [0] * 500
    assert len(pairs) < 3 * 512


def test_one_against_many_is_judged_as_in_pairs() -> None:
    images = [photograph(seed) for seed in range(6)] + [Image.new("RGB", (50, 40), "white")]
    many = [*(signature(image) for image in images), b""]
    for image in (*images, photograph(2).resize((90, 60)), photograph(50)):
        one = signature(image)
        assert is_like_one_of(one, many) == any(pair[1] == len(many) for pair in alike([*many, one]))
    assert not is_like_one_of(signature(photograph(0)), [])
    assert not is_like_one_of(b"", many)
