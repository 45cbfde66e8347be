import pytest
from pydantic import ValidationError

from convlens.core.preprocessing import Preprocessing


def test_another_size_keeps_the_ratio():
    assert Preprocessing(size=224, resize=256).at(448).resize == 512
    assert Preprocessing(size=64, resize=64).at(32).resize == 32


@pytest.mark.parametrize(("size", "resize"), [(0, 8), (9, 8), (-1, 8)])
def test_the_crop_must_fit(size, resize):
    with pytest.raises(ValidationError, match=rf"size {size} must lie between 1 and resize {resize}"):
        Preprocessing(size=size, resize=resize)
