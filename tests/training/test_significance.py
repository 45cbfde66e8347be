"""The paired difference: its value, its coverage by simulation, and Holm's correction by hand."""

import random

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
    assert found.interval == pytest.approx((0.1 - 1.96 * error, 0.1 + 1.96 * error), abs=1e-4)


def test_pictures_that_are_judged_in_every_run_do_not_count_as_more() -> None:
    base = {str(n): n % 2 == 0 for n in range(100)}
    ours = {name: hit or int(name) < 20 for name, hit in base.items()}
    once, often = paired_difference([ours], [base]), paired_difference([ours] * 5, [base] * 5)
    assert often.value == pytest.approx(once.value)
    assert often.interval == pytest.approx(once.interval, abs=1e-9)


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
