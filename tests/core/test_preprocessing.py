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


def test_what_was_stored_before_images_could_be_squashed_is_found():
    assert Preprocessing().identity().keys() == Preprocessing().model_dump().keys() - {"squash"}
    assert Preprocessing(squash=True).identity()["squash"] is True


def test_a_file_of_before_squashes_nothing():
    former = Preprocessing(size=64, resize=64).model_dump_json(exclude={"squash"})
    assert Preprocessing.model_validate_json(former) == Preprocessing(size=64, resize=64)
