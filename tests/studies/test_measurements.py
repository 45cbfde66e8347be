"""Means with intervals, and paired differences: held to scipy's."""

import math

import numpy as np
import pytest
from scipy import stats

from convlens.core.study import Measured
from convlens.studies.measurements import Measurements, difference, interval
from convlens.studies.verdicts import compared, in_percent

DRAWS = np.random.default_rng(0)
ONE, OTHER = DRAWS.normal(1, 0.1, 6), DRAWS.normal(0.9, 0.1, 6)


def measurements(**series):
    return Measurements(
        [
            Measured(case={"net": net, "seed": seed}, values={"error": float(value), "curve": [seed, 1.0]}, seconds=0)
            for net, values in series.items()
            for seed, value in enumerate(values)
        ]
    )


def test_intervals_are_those_of_students_t():
    expected = stats.t.interval(0.95, len(ONE) - 1, loc=ONE.mean(), scale=stats.sem(ONE))
    assert interval([*ONE]) == pytest.approx(expected, rel=1e-12)


def test_differences_are_those_of_the_paired_test():
    expected = stats.ttest_rel(ONE, OTHER)
    found = difference(dict(enumerate(ONE)), dict(enumerate(OTHER)))
    assert found.p_value == pytest.approx(expected.pvalue, rel=1e-9)
    assert found.interval == pytest.approx([*expected.confidence_interval()], rel=1e-9)


def test_only_seeds_that_both_have_are_compared():
    found = difference({0: 1.0, 1: 2.0, 2: 9.0}, {0: 0.5, 1: 1.0, 3: 0.0})
    assert found.value == 0.75
    assert difference({0: 1.0}, {0: 0.0}) is None


def test_numbers_without_spread_have_no_interval_to_speak_of():
    assert difference({0: 1.0, 1: 1.0}, {0: 1.0, 1: 1.0}).p_value == 1
    assert difference({0: 2.0, 1: 2.0}, {0: 1.0, 1: 1.0}) == (1.0, (1.0, 1.0), 0.0)


def test_means_by_case():
    measured = measurements(a=ONE, b=OTHER)
    mean = measured.mean("error", net="a")
    assert (mean.y, mean.low) == pytest.approx((ONE.mean(), interval([*ONE])[0]))
    assert measured.mean("error", net="c") is None
    assert measured.mean_list("curve", net="a") == [2.5, 1.0]
    assert in_percent(measurements(a=[0.5]).mean("error")) == "50.0%"
    assert [point.x for point in measured.points("error", "seed", net="a")] == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize(
    ("expected", "verdict", "word"), [("higher", "agrees", "higher"), ("lower", "disagrees", "higher")]
)
def test_a_difference_that_is_shown_has_a_verdict(expected, verdict, word):
    measured = measurements(a=ONE + 1, b=ONE + 0.01 * OTHER)
    (finding,) = compared(measured, "error", {"net": "a"}, {"net": "b"}, "A is {} than b", expected=expected)
    assert finding.verdict == verdict
    assert f"A is {word} than b: " in finding.sentence
    assert "may be chance" not in finding.sentence


def test_a_difference_that_may_be_chance_is_left_open():
    measured = measurements(a=[0.1, 0.5, 0.3], b=[0.2, 0.3, 0.3])
    (finding,) = compared(measured, "error", {"net": "a"}, {"net": "b"}, "A is {} than b", expected="higher")
    assert finding.verdict == "not shown"
    assert "that may be chance" in finding.sentence
    assert not [*compared(measurements(a=[1], b=[2]), "error", {"net": "a"}, {"net": "b"}, "{}", expected="lower")]
    assert math.isclose(difference({0: 0.1, 1: 0.5}, {0: 0.2, 1: 0.3}).value, 0.05)
