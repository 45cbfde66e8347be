"""Neighbors: no pair is missed, none is invented, and what belongs together is joined."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from convlens.data import neighbors as module
from convlens.data.neighbors import Places, Vectors, close_pairs, connected


def unit_vectors(count: int, width: int, seed: int = 0) -> Vectors:
    """Some of them close to others."""
    random = np.random.default_rng(seed)
    vectors = random.normal(size=(count, width))
    vectors[count // 2 :] = vectors[: count - count // 2] + random.normal(0, 0.1, (count - count // 2, width))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


@pytest.mark.parametrize("width", [3, 20, 64])
@pytest.mark.parametrize("least", [0.97, 0.9, 0.5])
def test_every_pair_and_no_other(monkeypatch: pytest.MonkeyPatch, width: int, least: float) -> None:
    for name in ("_SAMPLE", "_PROJECTED_AT_ONCE", "_ROWS_AT_ONCE", "_COLUMNS_AT_ONCE", "_JUDGED_AT_ONCE"):
        monkeypatch.setattr(module, name, 16)
    vectors = unit_vectors(80, width)
    expected = {(i, j) for i, j in combinations(range(80), 2) if vectors[i] @ vectors[j] >= least}
    assert expected
    found = [pair for block in close_pairs(vectors.__getitem__, 80, least) for pair in zip(*block, strict=True)]
    assert len(found) == len(expected)
    assert {(int(min(pair)), int(max(pair))) for pair in found} == expected


@pytest.mark.parametrize("count", [0, 1])
def test_too_few_for_a_pair(count: int) -> None:
    assert list(close_pairs(lambda places: np.ones((len(places), 1), np.float32), count, 0.9)) == []


def test_only_some_vectors_are_asked_for_at_a_time() -> None:
    vectors = unit_vectors(20_000, 8)
    most = 0

    def at(places: Places) -> Vectors:
        nonlocal most
        most = max(most, len(places))
        return vectors[places]

    assert sum(len(ones) for ones, _ in close_pairs(at, len(vectors), 0.99)) > 100
    assert most <= module._JUDGED_AT_ONCE


@given(st.lists(st.tuples(st.integers(0, 19), st.integers(0, 19)), max_size=40))
def test_groups_are_those_of_the_graph(pairs: list[tuple[int, int]]) -> None:
    groups = [{item} for item in range(20)]
    for one, other in pairs:
        joined = groups[one] | groups[other]
        for item in joined:
            groups[item] = joined
    assert connected(20, pairs) == [min(group) for group in groups]
