"""The resize in tensors against Pillow's: every pixel the same."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from convlens.core.preprocessing import Preprocessing
from convlens.data.decode import Pixels, crop_of
from convlens.exports.resize import resized_center


def noise(height: int, width: int) -> Pixels:
    return np.random.default_rng(height * 10_000 + width).integers(0, 256, (height, width, 3), dtype=np.uint8)


def resized(pixels: Pixels, preprocessing: Preprocessing) -> Pixels:
    return resized_center(torch.from_numpy(pixels)[None], preprocessing)[0].permute(1, 2, 0).to(torch.uint8).numpy()


@settings(deadline=None, max_examples=60)
@given(
    height=st.integers(8, 400),
    width=st.integers(8, 400),
    size=st.integers(1, 120),
    more=st.integers(0, 60),
    interpolation=st.sampled_from(["bilinear", "bicubic"]),
    fit=st.sampled_from(["center", "crop of all", "letterbox"]),
)
def test_every_pixel_is_pillows(height, width, size, more, interpolation, fit):
    asked = Preprocessing(
        size=size,
        resize=size if fit == "letterbox" else size + more,
        interpolation=interpolation,
        squash=fit == "crop of all",
        letterbox=fit == "letterbox",
    )
    pixels = noise(height, width)
    assert np.array_equal(resized(pixels, asked), crop_of(pixels, asked))


@pytest.mark.parametrize(("height", "width"), [(900, 100), (100, 900), (256, 256), (224, 224), (8, 8), (500, 375)])
@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
@pytest.mark.parametrize("fit", ["crop", "letterbox", "squash"])
def test_tall_wide_and_unscaled_images(height, width, interpolation, fit):
    """Pillow begins with the height of tall images, and leaves axes alone that stay as they are."""
    asked = Preprocessing(interpolation=interpolation).fitted(fit)
    pixels = noise(height, width)
    assert np.array_equal(resized(pixels, asked), crop_of(pixels, asked))


def test_images_of_a_batch_do_not_mix():
    one, other = noise(50, 70), noise(51, 70)[:50]
    both = resized_center(torch.from_numpy(np.stack([one, other])), Preprocessing(size=32, resize=36))
    for row, pixels in zip(both, (one, other), strict=True):
        assert np.array_equal(row.permute(1, 2, 0).numpy(), crop_of(pixels, Preprocessing(size=32, resize=36)))
