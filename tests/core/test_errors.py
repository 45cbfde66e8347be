import pytest

from convlens.core.errors import DivergedError, unknown_name


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("huose", "did you mean house? "),
        ("HOUSE", "did you mean house? "),
        ("resnet", "did you mean resnet18? "),
        ("zzz", ""),
    ],
)
def test_unknown_name(name, hint):
    error = unknown_name("network", name, ["house", "resnet18"])
    assert str(error) == f"unknown network {name!r}: {hint}Accepted: house, resnet18."
    assert error.exit_code == 2


def test_long_lists_are_shortened():
    error = unknown_name("module", "x", (f"layer{number}" for number in range(25)))
    assert str(error).endswith("layer19 and 5 more.")


def test_an_error_within_something_keeps_what_it_carries():
    error = DivergedError("the loss became nan.", ["a.png", "b.png"]).within("recipe 'adam'")
    assert isinstance(error, DivergedError)
    assert str(error) == "recipe 'adam': the loss became nan."
    assert error.files == ("a.png", "b.png")
