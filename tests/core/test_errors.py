import re

import pytest

import convlens
from convlens.core import errors
from convlens.core.errors import ConvlensError, DivergedError, unknown_name


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


def tree(kind, depth=0):
    yield depth, kind
    for below in kind.__subclasses__():
        if below.__module__.startswith("convlens."):
            yield from tree(below, depth + 1)


def test_the_docstring_draws_every_error_with_its_exit_code():
    drawn = [
        (len(indent) // 4, name, int(code or 1))
        for indent, name, code in re.findall(
            r"^((?:│   |├── |└── )*)(\w+Error)(?: +(\d))?", str(errors.__doc__), flags=re.M
        )
    ]
    assert drawn == [(depth, kind.__name__, kind.exit_code) for depth, kind in tree(ConvlensError)]


def test_every_error_is_public():
    for _, kind in tree(ConvlensError):
        assert getattr(convlens, kind.__name__) is kind
