import math

import pytest

from convlens.report import formatting


def plain(text: str) -> str:
    return text.replace(formatting.NO_BREAK_SPACE, " ")


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0.0, "0.00 s"),
        (9.99, "9.99 s"),
        (9.999, "10.0 s"),
        (59.94, "59.9 s"),
        (59.99, "1 min 00 s"),
        (185, "3 min 05 s"),
        (3599.7, "1 h 00 min"),
        (7380, "2 h 03 min"),
    ],
)
def test_duration(seconds: float, shown: str) -> None:
    assert plain(formatting.duration(seconds)) == shown


@pytest.mark.parametrize(
    ("num_bytes", "shown"),
    [(0, "0 bytes"), (999, "999 bytes"), (1000, "1.0 kB"), (999_960, "1.0 MB"), (3 * 10**15, "3000.0 TB")],
)
def test_byte_size(num_bytes: int, shown: str) -> None:
    assert plain(formatting.byte_size(num_bytes)) == shown


def test_numbers_that_are_not_finite_are_said_in_words() -> None:
    assert formatting.number(math.nan) == formatting.percent(math.nan) == "not a number"
    assert formatting.number(math.inf) == formatting.score(math.inf) == "infinite"
    assert formatting.number(-math.inf) == "minus infinite"


def test_counted_agrees_with_its_noun() -> None:
    assert [plain(formatting.counted(n, "image")) for n in (0, 1, 2500)] == [
        "0 images",
        "1 image",
        "2,500 images",
    ]
    assert plain(formatting.counted(2, "class", "classes")) == "2 classes"


def test_settings_are_exact() -> None:
    assert [formatting.setting(value) for value in (True, 1e-05, 3, "sgd")] == ["true", "1e-05", "3", "sgd"]


def test_shape() -> None:
    assert [plain(formatting.shape(sizes)) for sizes in ([512, 7, 7], [])] == ["512 × 7 × 7", "scalar"]
