"""Slices: a part on which a network is worse is named, and chance is not."""

import numpy as np
import pytest

from convlens.trust.slices import slices


def test_a_part_that_is_worse_is_the_worst() -> None:
    camera = ["old"] * 30 + ["new"] * 70
    found = slices([False] * 20 + [True] * 80, {"camera": camera, "brightness": [float(n % 50) for n in range(100)]})
    assert found.looks == 6
    assert found.worst is not None
    assert (found.worst.fact, found.worst.value, found.worst.images) == ("camera", "old", 30)
    assert found.worst.accuracy == pytest.approx(1 / 3)
    assert found.worst.others == 1
    assert found.worst.interval[0] < 1 / 3 < found.worst.interval[1]
    assert [one.accuracy for one in found.slices] == sorted(one.accuracy for one in found.slices)


def test_numbers_are_divided_into_quarters() -> None:
    sizes = [float(n) for n in range(80)]
    found = slices([n >= 20 for n in range(80)], {"size": sizes})
    assert found.worst is not None
    assert (found.worst.value, found.worst.images) == ("0 to 19.8", 20)
    assert sum(one.images for one in found.slices) == 80


def test_chance_names_nothing_too_often() -> None:
    """On images that are wrong by chance, a worst slice is named in at most 5% of cases."""
    named = 0
    for seed in range(200):
        draw = np.random.default_rng(seed)
        facts = {name: draw.normal(size=120).tolist() for name in ("a", "b", "c")}
        found = slices(
            (draw.random(120) < 0.8).tolist(), {**facts, "folder": draw.choice(["x", "y", "z"], 120).tolist()}
        )
        named += found.worst is not None
    assert named <= 16


def test_few_images_missing_values_and_single_ones_are_no_slices() -> None:
    facts = {
        "same": ["x"] * 40,
        "few": ["x"] * 5 + ["y"] * 35,
        "names": [f"{n}" for n in range(40)],
        "none": [None] * 40,
        "most": [None] * 10 + [1.0] * 15 + [2.0] * 15,
    }
    found = slices([True, False] * 20, facts)
    assert {(one.fact, one.images) for one in found.slices} <= {("most", 15), ("most", 30)}
