"""The paired difference: its value, its coverage by simulation, and Holm's correction by hand."""

import random

import numpy as np
import pytest

from convlens.training.significance import holm, paired_difference


def test_the_difference_of_equals_is_nothing() -> None:
    hits = [{"a": True, "b": False}, {"a": False, "b": True}]
    assert paired_difference(hits, hits) == (0.0, (0.0, 0.0), 1.0)


def test_one_run_is_a_paired_test_over_pictures() -> None:
    base = {str(n): n % 2 == 0 for n in range(100)}
    ours = {name: hit or int(name) < 20 for name, hit in base.items()}
    found = paired_difference([ours], [base])
    error = (sum((float(ours[n]) - float(base[n]) - 0.1) ** 2 for n in base) / 99 / 100) ** 0.5
    assert found.value == pytest.approx(0.1)
    quantile = 1.98422  # of Student's t with 99 degrees of freedom
    assert found.interval == pytest.approx((0.1 - quantile * error, 0.1 + quantile * error), abs=1e-6)


def test_pictures_that_are_judged_in_every_run_do_not_count_as_more() -> None:
    base = {str(n): n % 2 == 0 for n in range(100)}
    ours = {name: hit or int(name) < 20 for name, hit in base.items()}
    once, often = paired_difference([ours], [base]), paired_difference([ours] * 5, [base] * 5)
    assert often.value == pytest.approx(once.value)
    assert often.interval == pytest.approx(once.interval, abs=1e-9)


@pytest.mark.parametrize(("runs", "luck"), [(2, 0.02), (3, 0.02), (5, 0.02), (5, 0.005), (1, 0.0)])
def test_nothing_is_found_where_nothing_is(runs: int, luck: float) -> None:
    """Runs of different luck on the same pictures: one in twenty differences may look like one."""
    draw = np.random.default_rng(0)
    found = 0
    for _ in range(200):
        easy = draw.beta(4, 1, 200)
        ours, base = (
            [dict(enumerate((draw.random(200) < easy + draw.normal(0, luck)).tolist())) for _ in range(runs)]
            for _ in range(2)
        )
        named = [[{str(n): hit for n, hit in one.items()} for one in side] for side in (ours, base)]
        found += paired_difference(*named).p_value < 0.05
    assert found / 200 <= 0.08


@pytest.mark.parametrize(("pictures", "p_value"), [(2, 0.5), (10, 2 / 1024)])
def test_a_few_pictures_that_all_flipped_prove_little(pictures: int, p_value: float) -> None:
    base = [{str(n): False for n in range(pictures)}] * 3
    ours = [{str(n): True for n in range(pictures)}] * 3
    better, worse = paired_difference(ours, base), paired_difference(base, ours)
    assert (better.value, better.p_value) == (1.0, pytest.approx(p_value))
    assert better.interval == (pytest.approx(2 * 0.025 ** (1 / pictures) - 1), 1.0)
    assert worse.interval == (-1.0, pytest.approx(1 - 2 * 0.025 ** (1 / pictures)))


def test_the_interval_holds_the_truth_as_often_as_it_says() -> None:
    """Pictures of different difficulty, runs of different luck: 95 % of the intervals must hold the true difference."""
    draw = random.Random(0)
    held = 0
    for _ in range(300):
        luck = [draw.gauss(0, 0.01) for _ in range(5)]
        easy = {str(n): draw.random() for n in range(80)}
        base = [{name: draw.random() < p for name, p in easy.items()} for _ in luck]
        ours = [{name: draw.random() < p + shift for name, p in easy.items()} for shift in luck]
        low, high = paired_difference(ours, base).interval
        held += low <= 0 <= high
    assert held / 300 > 0.92


def test_holm_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.6, 0.7]) == [1.0, 1.0]
    assert holm([]) == []
