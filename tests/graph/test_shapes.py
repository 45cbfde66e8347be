import pytest

from convlens.graph.shapes import dimension


@pytest.mark.parametrize(
    ("size", "expected"), [(7, 7), ("batch", 3), ("49*batch", 147), ("2*batch + 1", 7), ("batch//2", 1), ("-batch", -3)]
)
def test_sizes_are_worked_out(size: int | str, expected: int) -> None:
    assert dimension(size, 3) == expected


@pytest.mark.parametrize("size", ["u0", "f(batch)", "batch.real"])
def test_what_is_not_arithmetic_on_the_batch_is_refused(size: str) -> None:
    with pytest.raises(ValueError, match="a size that cannot be worked out"):
        dimension(size, 3)
