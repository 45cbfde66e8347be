"""Every operator of the table against torch, forward and backward; and the proof that this can fail."""

import dataclasses
from typing import Any

import pytest
import torch

from convlens.ops import TABLE, Backward, NoRule, Operator

from .cases import CASES
from .oracle import Case, check_forward, check_gradient, check_local_gradient

WITH_GRADIENT = sorted(name for name, record in TABLE.items() if not isinstance(record.gradient, NoRule))
ALL_CASES = [pytest.param(name, case, id=f"{name}-{k}") for name in CASES for k, case in enumerate(CASES[name])]


def test_every_operator_with_a_gradient_has_cases() -> None:
    assert set(WITH_GRADIENT) - set(CASES) == {"python.getitem"}
    assert set(CASES) <= set(TABLE)


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")
@pytest.mark.parametrize(("name", "case"), ALL_CASES)
def test_forward_and_gradient_equal_torch(name: str, case: Case) -> None:
    for dtype in case.dtypes:
        check_forward(TABLE[name], case, dtype)
        check_gradient(TABLE[name], case, dtype)


@pytest.mark.parametrize(("name", "case"), ALL_CASES)
def test_local_gradient_equals_torch(name: str, case: Case) -> None:
    check_local_gradient(TABLE[name], case)


@pytest.mark.parametrize("name", list(CASES))
def test_an_error_of_a_thousandth_is_found(name: str) -> None:
    wrong = dataclasses.replace(TABLE[name], gradient=_planted(TABLE[name]))
    with pytest.raises(AssertionError, match=r"differs by 0\.001"):
        check_gradient(wrong, CASES[name][0], torch.float64)


def _planted(operator: Operator) -> Any:
    def gradient(back: Backward, *args: Any, **kwargs: Any) -> tuple[Any, ...]:
        assert not isinstance(operator.gradient, NoRule)
        right = operator.gradient(back, *args, **kwargs)
        return tuple(None if g is None else g * 1.001 for g in right)

    return gradient
