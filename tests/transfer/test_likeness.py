"""Stored features: which table is the best one, and which pictures are alike by it."""

from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from convlens.transfer import feature_index, likeness
from convlens.transfer.feature_index import fullest_table
from convlens.transfer.features import FeatureTable
from convlens.transfer.likeness import LEAST_COSINE, alike_by_features

IMAGES = [f"{number:064x}" for number in range(40)]


def stored(root: Path, key: str, images: list[str], *columns: Tensor) -> FeatureTable:
    """A table in two shards."""
    table = FeatureTable(root, key)
    half = len(images) // 2
    table.add(images[:half], [column[:half] for column in columns])
    table.add(images[half:], [column[half:] for column in columns])
    return table


def features(count: int = 40, width: int = 16, seed: int = 0) -> Tensor:
    """Drawn; some of the last are nearly some of the first."""
    random = torch.Generator().manual_seed(seed)
    drawn = torch.randn(count, width, generator=random)
    drawn[35:40] = drawn[: max(0, count - 35)] + 0.1 * torch.randn(max(0, count - 35), width, generator=random)
    return drawn


class TestFullestTable:
    def test_none(self, tmp_path: Path) -> None:
        assert fullest_table(tmp_path, IMAGES) is None
        stored(tmp_path, "one", IMAGES[:2], features(2))
        assert fullest_table(tmp_path, IMAGES[2:]) is None
        assert fullest_table(tmp_path, IMAGES[1:]) is None  # one picture is alike to no other

    def test_the_most_pictures_and_then_the_smallest_rows(self, tmp_path: Path) -> None:
        stored(tmp_path, "few", IMAGES[:10], features(10, 4))
        stored(tmp_path, "wide", IMAGES, features(40, 64))
        stored(tmp_path, "narrow", IMAGES, features(40, 8).bfloat16(), features(40, 3).bfloat16())
        found = fullest_table(tmp_path, IMAGES[5:])
        assert found is not None
        assert (found.key, found.num_images, found.row_bytes) == ("narrow", 35, 22)

    def test_pixels_are_no_features(self, tmp_path: Path) -> None:
        stored(tmp_path, "pixels", IMAGES, torch.zeros(40, 8, 8, 3, dtype=torch.uint8))
        assert fullest_table(tmp_path, IMAGES) is None

    def test_what_takes_long_to_read_is_left_alone(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        stored(tmp_path, "wide", IMAGES, features(40, 64))
        monkeypatch.setattr(feature_index, "_MOST_BYTES", 40 * 64 * 4 - 1)
        assert fullest_table(tmp_path, IMAGES) is None

    def test_a_damaged_shard_does_not_stop_it(self, tmp_path: Path) -> None:
        table = stored(tmp_path, "one", IMAGES, features())
        next(table.shards.folder.glob("*.safetensors")).write_bytes(b"no shard")
        found = fullest_table(tmp_path, IMAGES)
        assert found is not None
        assert found.num_images == 20


def expected_pairs(vectors: np.ndarray) -> set[tuple[int, int]]:
    """By the definition: in deviations from the mean, cosine."""
    scaled = (vectors - vectors.mean(0)) / vectors.std(0)
    scaled /= np.linalg.norm(scaled, axis=1, keepdims=True)
    return {(i, j) for i, j in combinations(range(len(scaled)), 2) if scaled[i] @ scaled[j] >= LEAST_COSINE}


def found_pairs(table: FeatureTable, images: list[str]) -> set[tuple[int, int]]:
    blocks = alike_by_features(table, images)
    return {(int(min(pair)), int(max(pair))) for block in blocks for pair in zip(*block, strict=True)}


@pytest.mark.parametrize("offset", [0.0, 50.0])
def test_pairs_are_those_of_the_definition(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, offset: float) -> None:
    """Also where all pictures share most of their features, which would make every cosine one."""
    monkeypatch.setattr(likeness, "_READ_AT_ONCE", 7)
    drawn = features() * torch.linspace(0.1, 10, 16) + offset
    expected = expected_pairs(drawn.double().numpy())
    assert len(expected) == 5
    assert found_pairs(stored(tmp_path, "one", IMAGES, drawn), IMAGES) == expected


def test_maps_count_by_their_mean_and_several_columns_together(tmp_path: Path) -> None:
    drawn = features()
    maps = drawn[:, :6, None, None] + torch.tensor([-1.0, 1.0]).view(1, 1, 2, 1)
    tokens = drawn[:, None, 6:] + torch.tensor([-2.0, 0.0, 2.0]).view(1, 3, 1)
    table = stored(tmp_path, "one", IMAGES, maps, tokens)
    assert found_pairs(table, IMAGES) == expected_pairs(drawn.double().numpy())


def test_a_feature_that_never_changes_says_nothing(tmp_path: Path) -> None:
    drawn = torch.cat([features(), torch.full((40, 4), 3.0)], dim=1)
    assert len(found_pairs(stored(tmp_path, "one", IMAGES, drawn), IMAGES)) == 5


def test_no_images(tmp_path: Path) -> None:
    assert found_pairs(stored(tmp_path, "one", IMAGES, features()), []) == set()


def test_an_image_that_is_not_stored(tmp_path: Path) -> None:
    with pytest.raises(KeyError):
        alike_by_features(stored(tmp_path, "one", IMAGES[:4], features(4)), IMAGES[:5])
