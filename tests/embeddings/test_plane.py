"""Planes and groups of vectors: what is near stays near, what belongs together is found."""

import pytest
import torch

from convlens.embeddings.plane import METHODS, groups, plane


def clouds(count: int = 20, kinds: int = 3) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    centers = 4 * torch.eye(kinds, 12)
    return torch.cat([center + 0.4 * torch.randn(count, 12, generator=generator) for center in centers])


@pytest.mark.parametrize("method", METHODS)
def test_neighbors_in_the_plane_are_neighbors_in_truth(method: str) -> None:
    found = plane(clouds(), method)
    assert found.points.shape == (60, 2)
    assert found.points.min() >= 0
    assert found.points.max() <= 1
    assert found.trustworthiness > 0.9
    points = torch.from_numpy(found.points)
    nearest = torch.cdist(points, points).topk(6, largest=False).indices[:, 1:]
    assert bool((nearest // 20 == torch.arange(60)[:, None] // 20).all())


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("count", [3, 4, 5, 12])
def test_few_images_have_a_plane_too(method: str, count: int) -> None:
    found = plane(clouds(count, 1), method)
    assert found.points.shape == (count, 2)
    assert 0 <= found.trustworthiness <= 1


def test_as_many_groups_as_there_are() -> None:
    found = groups(clouds())
    assert len(found.central) == 3
    for members in found.central:
        assert len({place // 20 for place in members}) == 1
        assert {found.numbers[place] for place in members} == {found.numbers[members[0]]}
    assert sorted(place for members in found.central for place in members) == list(range(60))


def test_as_many_groups_as_are_asked_for_the_largest_first() -> None:
    found = groups(torch.cat([clouds(), clouds()[:20]]), 3)
    sizes = [len(members) for members in found.central]
    assert sizes == [40, 20, 20]
    assert set(found.numbers[:20]) == {0}
