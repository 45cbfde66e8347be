"""The page on gradients and the examples in docstrings run as they stand."""

import doctest
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from convlens.gradient import tensor

PAGE = Path(__file__).parents[2] / "docs" / "gradients.md"


@pytest.fixture(autouse=True)
def default_dtype() -> Iterator[None]:
    yield
    torch.set_default_dtype(torch.float32)


def test_the_page_on_gradients() -> None:
    failures, tests = doctest.testfile(str(PAGE), module_relative=False, optionflags=doctest.REPORT_NDIFF)
    assert tests > 40
    assert not failures


def test_docstrings() -> None:
    failures, tests = doctest.testmod(tensor, extraglobs={"torch": torch})
    assert tests >= 4
    assert not failures
