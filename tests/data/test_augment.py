"""Fresh augmentation: another picture each time, the same ones from the same seed."""

import pytest
import torch
from torch import Tensor

from convlens.core.preprocessing import Preprocessing
from convlens.data.augment import Augmentation

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


def test_each_call_and_each_picture_draws_anew() -> None:
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


def test_it_is_still_the_same_picture() -> None:
    halves = torch.zeros((32, 32, 32, 3), dtype=torch.uint8)
    halves[:, :16] = 255  # the upper half is white: no crop or sideways flip can turn it over
    found = drawn(0, halves)
    assert (found[:, :, :4].mean(dim=(1, 2, 3)) >= found[:, :, -4:].mean(dim=(1, 2, 3))).all()
    assert found[:, :, :4].mean() > found[:, :, -4:].mean() + 1
