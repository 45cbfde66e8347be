import pytest

from convlens.core.durations import duration, pace


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.042, "0.04 s"), (12.34, "12.3 s"), (59.96, "1 min 00 s"), (185, "3 min 05 s"), (7380, "2 h 03 min")],
)
def test_duration(seconds, text):
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("steps", "seconds", "text"), [(42, 2.0, "21/s"), (12, 360.0, "30.0 s each"), (0, 5.0, ""), (5, 0.0, "")]
)
def test_a_pace_below_one_a_second_is_a_time_for_each(steps, seconds, text):
    assert pace(steps, seconds) == text
