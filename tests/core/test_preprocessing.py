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
    assert Preprocessing().identity().keys() == Preprocessing().model_dump().keys() - {"squash", "letterbox"}
    assert Preprocessing(squash=True).identity()["squash"] is True


def test_a_file_of_before_squashes_nothing():
    former = Preprocessing(size=64, resize=64).model_dump_json(exclude={"squash"})
    assert Preprocessing.model_validate_json(former) == Preprocessing(size=64, resize=64)


def test_whole_images_are_not_cropped():
    usual = Preprocessing(size=224, resize=256)
    assert usual.fitted("crop") == usual
    for fit in ("letterbox", "squash"):
        whole = usual.fitted(fit)
        assert (whole.size, whole.resize, whole.margin) == (224, 224, 0)
        assert whole.identity() == {**usual.identity(), "resize": 224, fit: True}
        assert whole.at(448).resize == 448
    assert usual.fitted("letterbox").bars == (124, 116, 104)
    assert usual.fitted("squash").bars is None
    assert Preprocessing(squash=True).fitted("letterbox").squash is False


def test_two_ways_to_fit_exclude_each_other():
    with pytest.raises(ValidationError, match="exclude each other"):
        Preprocessing(squash=True, letterbox=True)
