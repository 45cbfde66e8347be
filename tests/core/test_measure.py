"""How a person reads what recipes are compared by."""

import pytest

from convlens.core.kinds.registry import KINDS


@pytest.mark.parametrize(
    ("task", "text", "tick", "difference", "statement", "best"),
    [
        ("classification", "12.3%", "12.34%", "-1.2", "-1.2 points", "highest accuracy"),
        ("multilabel", "12.3%", "12.34%", "-1.2", "-1.2 points", "highest exact match"),
        ("regression", "0.1234", "0.1234", "-0.0123", "squared error -0.0123", "lowest squared error"),
    ],
)
def test_means_and_differences_as_text(task, text, tick, difference, statement, best):
    measure = KINDS[task].measure
    assert measure.text(0.1234) == text
    assert measure.tick(0.1234) == tick
    assert measure.difference_text(-0.0123) == difference
    assert measure.difference_statement(-0.0123) == statement
    assert measure.best == best
    assert measure.text(0.1234) in measure.statement.format(measure.text(0.1234))


@pytest.mark.parametrize(("task", "sign"), [("classification", 1), ("multilabel", 1), ("regression", -1)])
def test_an_error_that_falls_is_a_gain(task, sign):
    assert KINDS[task].measure.gain(0.5) == sign * 0.5


def test_no_difference_has_no_minus():
    assert KINDS["regression"].measure.difference_text(-0.00001) == "+0.0000"
