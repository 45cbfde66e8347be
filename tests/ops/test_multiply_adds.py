"""Multiply-adds against half of torch's FlopCounterMode, forward and backward, from shapes alone."""

import itertools
from typing import Any

import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from convlens.ops import TABLE, NoRule, Operator, tensor_inputs

from .cases import CASES
from .oracle import Case, task_of

COUNTED = sorted(name for name, record in TABLE.items() if not isinstance(record.multiply_adds, NoRule))
NOT_COUNTED_BY_TORCH = {"aten.mv.default", "aten.dot.default", "aten.bilinear.default"}
PARAMETERS = [
    pytest.param(name, case, id=f"{name}-{k}")
    for name in COUNTED
    if name not in NOT_COUNTED_BY_TORCH
    for k, case in enumerate(CASES[name])
]


def test_what_is_counted() -> None:
    kinds = {name.split(".")[1].rstrip("123d") for name in COUNTED}
    assert kinds == {
        *(
            "conv",
            "conv_transpose",
            "linear",
            "matmul",
            "mm",
            "bmm",
            "mv",
            "dot",
            "addmm",
            "baddbmm",
            "einsum",
            "bilinear",
        ),
        "scaled_dot_product_attention",
    }


def by_torch(operator: Operator, case: Case, needs: tuple[bool, ...]) -> tuple[int, int]:
    """Half the operations that torch counts, forward and backward."""
    args, kwargs = case.draw(torch.float64)
    for tensor, wanted in zip(tensor_inputs(args, kwargs), needs, strict=True):
        tensor.requires_grad_(wanted)
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        output = task_of(operator)(*args, **kwargs)
        forward = counter.get_total_flops()
        if any(needs):
            output.sum().backward()
    return forward // 2, (counter.get_total_flops() - forward) // 2


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")
@pytest.mark.parametrize(("name", "case"), PARAMETERS)
def test_multiply_adds_are_half_of_torchs_operations(name: str, case: Case) -> None:
    operator = TABLE[name]
    assert not isinstance(operator.multiply_adds, NoRule)
    assert not isinstance(operator.backward_multiply_adds, NoRule)
    args, kwargs = case.shapes()
    output = tuple(task_of(operator)(*case.draw(torch.float64)[0], **kwargs).shape)
    for needs in itertools.product((True, False), repeat=len(case.constants)):
        if any(wanted and constant for wanted, constant in zip(needs, case.constants, strict=True)):
            continue
        forward, backward = by_torch(operator, case, needs)
        if any(isinstance(arg, tuple) and len(arg) == 1 for arg in args) and name == "aten.matmul.default":
            continue  # torch does not count products with a vector
        assert operator.multiply_adds(output, *args, **kwargs) == forward
        expected = backward - overcounted(name, args, needs, forward)
        assert operator.backward_multiply_adds((needs, output), *args, **kwargs) == expected


def overcounted(name: str, args: tuple[Any, ...], needs: tuple[bool, ...], forward: int) -> int:
    """What torch counts too much: the filter gradient of a grouped convolution, as if there were no groups."""
    if "conv" not in name or not needs[1]:
        return 0
    groups = args[6] if len(args) > 6 else 1
    return (groups - 1) * forward


def test_products_with_a_vector_are_counted() -> None:
    assert TABLE["aten.mv.default"].multiply_adds((3,), (3, 5), (5,)) == 15  # type: ignore[operator]
    assert TABLE["aten.dot.default"].multiply_adds((), (5,), (5,)) == 5  # type: ignore[operator]


def test_a_convolution_of_vgg16() -> None:
    """64 filters 3x3x64 at each of 224x224 places."""
    convolution = TABLE["aten.conv2d.default"]
    assert not isinstance(convolution.multiply_adds, NoRule)
    args = ((1, 64, 224, 224), (64, 64, 3, 3), (64,), [1, 1], [1, 1])
    assert convolution.multiply_adds((1, 64, 224, 224), *args) == 224 * 224 * 64 * 3 * 3 * 64
