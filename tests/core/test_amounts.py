import pytest

from convlens.core.amounts import bytes_in, seconds_in, size_of
from convlens.core.errors import UsageError


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("2m", 120), ("1.5h", 5400), ("30d", 2592000), (" 2 W", 1209600), (7.5, 7.5)]
)
def test_ages(text, seconds):
    assert seconds_in("older_than", text) == seconds


@pytest.mark.parametrize("text", ["", "30", "d", "-1d", "30 days", "nan", "1e3s", -1.0, float("nan")])
def test_what_is_no_age(text):
    with pytest.raises(UsageError, match=r"older_than=.*give an age such as 12h, 30d or 8w"):
        seconds_in("older_than", text)


@pytest.mark.parametrize(
    ("text", "size"),
    [("0", 0), ("500MB", 5 * 10**8), ("5 gb", 5 * 10**9), ("1.5k", 1500), ("2T", 2 * 10**12), (9, 9)],
)
def test_sizes(text, size):
    assert bytes_in("down_to", text) == size


@pytest.mark.parametrize("text", ["", "5", "GB", "-5GB", "5GiB", "inf", -1])
def test_what_is_no_size(text):
    with pytest.raises(UsageError, match=r"down_to=.*give a size such as 500MB or 5GB"):
        bytes_in("down_to", text)


@pytest.mark.parametrize(
    ("size", "text"), [(0, "0 bytes"), (999, "999 bytes"), (9126805, "9.1 MB"), (999_950_000, "1.0 GB")]
)
def test_sizes_as_people_read_them(size, text):
    assert size_of(size) == text
