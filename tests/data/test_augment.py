"""Fresh augmentation: another image each time, the same ones from the same seed."""

import pytest
import torch
from torch import Tensor

from convlens.core.preprocessing import Preprocessing
from convlens.data.augment import Augmentation, cropped, erased, recolored
from convlens.data.batches import normalized

PREPROCESSING = Preprocessing(size=24, resize=32)
augmented = Augmentation()


def pixels(count: int = 6) -> Tensor:
    return torch.randint(0, 256, (count, 32, 32, 3), dtype=torch.uint8, generator=torch.manual_seed(0))


def drawn(seed: int, batch: Tensor) -> Tensor:
    torch.manual_seed(seed)
    return augmented(batch, PREPROCESSING)


@pytest.mark.parametrize("size", [24, 32])
def test_shape_and_layout(size: int) -> None:
    found = augmented(pixels(), Preprocessing(size=size, resize=32))
    assert found.shape == (6, 3, size, size)
    assert found.dtype == torch.float32
    assert found.is_contiguous(memory_format=torch.channels_last)
    assert not found.requires_grad


def test_values_lie_within_what_pixels_can_be() -> None:
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (PREPROCESSING.mean, PREPROCESSING.std))
    values = drawn(0, pixels(64)) * std + mean
    assert values.min() >= -1e-5
    assert values.max() <= 1 + 1e-5


def test_the_seed_decides() -> None:
    batch = pixels()
    assert torch.equal(drawn(1, batch), drawn(1, batch))
    assert not torch.equal(drawn(1, batch), drawn(2, batch))


def test_each_call_and_each_image_draws_anew() -> None:
    batch = pixels(1).repeat(4, 1, 1, 1)
    torch.manual_seed(0)
    first, second = augmented(batch, PREPROCESSING), augmented(batch, PREPROCESSING)
    assert not torch.equal(first, second)
    assert all(not torch.equal(first[0], other) for other in first[1:])


def test_the_stored_pixels_stay_as_they_are() -> None:
    batch = pixels()
    before = batch.clone()
    augmented(batch, PREPROCESSING)
    assert torch.equal(batch, before)


def test_it_is_still_the_same_image() -> None:
    halves = torch.zeros((32, 32, 32, 3), dtype=torch.uint8)
    halves[:, :16] = 255  # the upper half is white: no crop or sideways flip can turn it over
    found = drawn(0, halves)
    assert (found[:, :, :4].mean(dim=(1, 2, 3)) >= found[:, :, -4:].mean(dim=(1, 2, 3))).all()
    assert found[:, :, :4].mean() > found[:, :, -4:].mean() + 1


def test_a_image_of_one_color_stays_so_wherever_it_is_cropped() -> None:
    constant = torch.arange(8.0).view(8, 1, 1, 1).expand(8, 3, 16, 16)
    torch.testing.assert_close(cropped(constant, 24, 0.2), constant[:, :, :1, :1].expand(8, 3, 24, 24))


def test_crops_keep_at_least_their_area_and_stay_inside() -> None:
    """The image holds its own coordinates, so a crop tells where it was taken."""
    side = 64
    places = (torch.arange(side) + 0.5) / side
    plane = torch.stack([places.expand(side, side), places.view(-1, 1).expand(side, side)])
    torch.manual_seed(0)
    found = cropped(plane.expand(400, 2, side, side), side, 0.35)
    width = (found[:, 0, :, -1] - found[:, 0, :, 0]).mean(1) * side / (side - 1)
    height = (found[:, 1, -1] - found[:, 1, 0]).mean(1) * side / (side - 1)
    assert height.min() > 0
    assert 150 < (width < 0).sum() < 250  # mirrored
    area, ratio = width.abs() * height, width.abs() / height
    assert 0.3 < area.min() < 0.4  # a side that would be longer than the image is cut
    assert 0.9 < area.max() <= 1.001
    assert ratio.min() > 0.74
    assert ratio.max() < 1.34


def test_colors_follow_their_definition() -> None:
    images = torch.rand(5, 3, 8, 8) * 0.5 + 0.25
    torch.manual_seed(7)
    found = recolored(images, 0.2)
    torch.manual_seed(7)
    brightness, contrast, saturation = (torch.rand(5).view(5, 1, 1, 1) * 0.4 + 0.8 for _ in range(3))
    luma = torch.tensor([0.299, 0.587, 0.114]).view(3, 1, 1)
    expected = images * brightness
    mean = (expected * luma).sum(1, keepdim=True).mean((2, 3), keepdim=True)
    expected = mean + (expected - mean) * contrast
    gray = (expected * luma).sum(1, keepdim=True)
    torch.testing.assert_close(found, (gray + (expected - gray) * saturation).clamp(0, 1))


def test_erased_rectangles() -> None:
    torch.manual_seed(0)
    found = erased(torch.ones(400, 3, 32, 32), 0.25)
    gone = found[:, 0] == 0
    assert torch.equal(found == 0, gone.unsqueeze(1).expand_as(found))
    touched = gone.flatten(1).any(1)
    assert 70 < touched.sum() < 130
    for one in gone[touched]:
        assert one.sum() == one.any(0).sum() * one.any(1).sum()
        assert 0.005 < one.float().mean() < 0.4
    assert torch.equal(erased(torch.ones(4, 3, 8, 8), 0.0), torch.ones(4, 3, 8, 8))


def test_nothing_is_changed_where_nothing_is_asked_for() -> None:
    plain = Augmentation(crop_area=1.0, color=0.0)
    gray = torch.full((4, 32, 32, 3), 128, dtype=torch.uint8)
    torch.testing.assert_close(plain(gray, PREPROCESSING), normalized(gray, PREPROCESSING)[:, :, :24, :24])
