"""Which images are suggested: unsure ones, unlike each other."""

import pytest
import torch

from convlens.trust.suggestion import suggested


def clusters(size: int = 16, per_cluster: int = 20):
    """Four clusters of vectors, the network being sure of all in the first two."""
    generator = torch.Generator().manual_seed(0)
    centers = 5 * torch.randn(4, size, generator=generator)
    groups = torch.arange(4).repeat_interleave(per_cluster)
    vectors = centers[groups] + 0.1 * torch.randn(len(groups), size, generator=generator)
    sure, unsure = torch.tensor([0.999, 0.0005, 0.0005]), torch.tensor([0.4, 0.35, 0.25])
    return torch.where((groups < 2)[:, None], sure, unsure), vectors, groups


def test_one_image_of_each_unsure_cluster_comes_first():
    probabilities, vectors, groups = clusters()
    assert sorted(groups[suggested(probabilities, vectors, 2)].tolist()) == [2, 3]


def test_copies_of_one_image_are_not_all_suggested():
    probabilities, vectors, groups = clusters()
    vectors = torch.cat([vectors, vectors[-1:].repeat(200, 1)])
    probabilities = torch.cat([probabilities, probabilities[-1:].repeat(200, 1)])
    chosen = suggested(probabilities, vectors, 10)
    assert (chosen >= len(groups)).sum() <= 1


def test_no_image_is_suggested_twice_and_the_choice_is_the_same_again():
    probabilities, vectors, _ = clusters()
    chosen = suggested(probabilities, vectors, 30)
    assert len(set(chosen.tolist())) == 30
    assert torch.equal(chosen, suggested(probabilities, vectors, 30))


@pytest.mark.parametrize("count", [80, 500])
def test_all_are_suggested_where_there_are_no_more(count):
    probabilities, vectors, _ = clusters()
    assert sorted(suggested(probabilities, vectors, count).tolist()) == list(range(80))


def test_equal_images_that_the_network_is_sure_of():
    """Nothing tells them apart: any will do, none twice."""
    chosen = suggested(torch.tensor([[1.0, 0.0]]).repeat(50, 1), torch.ones(50, 4), 5)
    assert len(set(chosen.tolist())) == 5
