"""The judge: p-values, the rate of false alarms, and what is stored of it."""

import pytest
import torch

from convlens.core.errors import DataError, UsageError
from convlens.trust.detectors import DETECTORS, Neighbors
from convlens.trust.judge import Judge
from convlens.trust.sample import spread_sample


def judge_of(images: int, generator: torch.Generator, detector: str = "neighbors") -> Judge:
    """Of vectors of one kind: half are the training images, half were held out."""
    vectors = torch.randn(2 * images, 8, generator=generator) + 1
    labels = torch.zeros(images, dtype=torch.int64)
    fitted = DETECTORS[detector].fit(vectors[:images], labels)
    return Judge(
        detector=fitted,
        known_scores=fitted.scores(vectors[images:]).sort().values,
        true_probabilities=torch.linspace(0, 1, images),
        labels=labels,
        neighbors=Neighbors.fit(vectors[:images], labels),
        kept_labels=labels,
        files=[f"{number}.png" for number in range(images)],
        sha256=["00"] * images,
    )


def test_the_rate_of_false_alarms_is_the_one_asked_for() -> None:
    generator = torch.Generator().manual_seed(0)
    rejected = 0
    for _ in range(40):
        judge = judge_of(99, generator)
        rejected += int((judge.p_values(torch.randn(500, 8, generator=generator) + 1) <= 0.05).sum())
    assert rejected / 20_000 == pytest.approx(0.05, abs=0.012)


def test_p_values_by_their_definition() -> None:
    generator = torch.Generator().manual_seed(0)
    judge = judge_of(20, generator)
    vectors = torch.randn(30, 8, generator=generator)
    scores = judge.detector.scores(vectors)
    expected = [(1 + sum(one >= score for one in judge.known_scores.tolist())) / 21 for score in scores.tolist()]
    assert judge.p_values(vectors).tolist() == pytest.approx(expected)
    assert judge.p_values(-100 * torch.ones(1, 8)).tolist() == pytest.approx([1 / 21])


def test_rates_that_so_few_images_cannot_tell_are_refused() -> None:
    judge = judge_of(19, torch.Generator().manual_seed(0))
    assert judge.accepted(None, 0.01) == 0.05
    assert judge.accepted(None, 0.1) == 0.1
    assert judge.accepted(0.05, 0.01) == 0.05
    for rate in (0.04, 0.0, 1.0):
        with pytest.raises(UsageError, match=r"with 19 held-out training images .* from 5\.00%"):
            judge.accepted(rate, 0.01)


@pytest.mark.parametrize("detector", DETECTORS)
def test_what_is_stored_answers_alike(detector: str) -> None:
    generator = torch.Generator().manual_seed(0)
    judge = judge_of(50, generator, detector)
    again = Judge.of(judge.tensors(), judge.metadata(), "reference.safetensors")
    vectors, p = torch.randn(30, 8, generator=generator), torch.rand(30, 1, generator=generator)
    torch.testing.assert_close(again.p_values(vectors), judge.p_values(vectors), atol=0.03, rtol=0)
    assert torch.equal(again.nearest(vectors, 1).places, judge.nearest(vectors, 1).places)
    assert torch.equal(again.sets(p, 0.9), judge.sets(p, 0.9))
    assert (again.files, again.sha256) == (judge.files, judge.sha256)


def test_a_damaged_reference_is_named() -> None:
    judge = judge_of(5, torch.Generator().manual_seed(0))
    tensors = judge.tensors()
    with pytest.raises(DataError, match=r"r\.safetensors is damaged: 'known_scores'"):
        Judge.of(
            {name: one for name, one in tensors.items() if name != "known_scores"}, judge.metadata(), "r.safetensors"
        )
    with pytest.raises(DataError, match=r"r\.safetensors is damaged"):
        Judge.of(tensors, judge.metadata() | {"files": "["}, "r.safetensors")


def test_a_sample_has_all_classes_alike_as_far_as_they_go() -> None:
    labels = torch.cat([torch.zeros(5000), torch.ones(3000), torch.full((10,), 2.0)]).long()
    kept = spread_sample(labels)
    assert len(kept) == 2000
    assert labels[kept].bincount().tolist() == [995, 995, 10]
    assert torch.equal(kept, kept.unique())
    assert torch.equal(spread_sample(labels[:2000]), torch.arange(2000))
