"""Golden images: the same ones again, and no two ways of preprocessing that they cannot tell apart."""

import numpy as np
import pytest
import torch

from convlens.core.preprocessing import Preprocessing
from convlens.data.decode import crop_of
from convlens.exports.file import Answered
from convlens.exports.golden import golden_image, golden_pixels, pixels_of


def test_they_travel_unchanged():
    for name, pixels in golden_pixels():
        image = golden_image(name, pixels, Answered(torch.tensor([[0.5]]), torch.tensor([0.25])), judged=True)
        assert np.array_equal(pixels_of(image), pixels)
        assert len(image.png) < 400_000
        assert (image.answers, image.p_value) == ([0.5], 0.25)


def test_they_are_the_same_every_time():
    for (name, pixels), (again, same) in zip(golden_pixels(), golden_pixels(), strict=True):
        assert name == again
        assert np.array_equal(pixels, same)


@pytest.mark.parametrize(
    "other",
    [
        Preprocessing(interpolation="bicubic"),
        Preprocessing(squash=True),
        Preprocessing(resize=240),
        Preprocessing(resize=224, letterbox=True),
    ],
    ids=["interpolation", "squash", "crop", "letterbox"],
)
def test_another_crop_gives_other_pixels(other):
    for name, pixels in golden_pixels():
        if name != "square" or not other.squash:  # both sides of a square are its shorter side
            assert (crop_of(pixels, other) != crop_of(pixels, Preprocessing())).mean() > 0.2


def test_their_channels_differ():
    for _, pixels in golden_pixels():
        assert (pixels != pixels[..., ::-1]).mean() > 0.5
