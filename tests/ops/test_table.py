"""The table as a whole: names, formulas, the three states; windows; errors."""

import dataclasses
import operator as python_operator
import re

import pytest
import torch

from convlens.core.errors import UsageError
from convlens.ops import (
    POINTWISE,
    TABLE,
    WHOLE_INPUT,
    Joined,
    NoRule,
    Operator,
    Parted,
    Reshaped,
    Scattered,
    Subscripts,
    Taken,
    Window,
    lookup,
    name_of,
)
from convlens.ops.record import reordered

RECORDS = [pytest.param(record, id=name) for name, record in TABLE.items()]


def window_of(name: str, output: object, *args: object) -> object:
    rule = TABLE[name].window
    assert not isinstance(rule, NoRule)
    return rule(output, *args)


@pytest.mark.parametrize("record", RECORDS)
def test_the_name_is_that_of_an_operator(record: Operator) -> None:
    library, packet, *overload = record.name.split(".")
    if library == "python":
        assert callable(getattr(python_operator, packet))
    else:
        assert str(getattr(getattr(torch.ops.aten, packet), overload[0])) == record.name


@pytest.mark.parametrize("record", RECORDS)
def test_the_formula_says_what_comes_out_and_what_flows_back(record: Operator) -> None:
    has_gradient = not isinstance(record.gradient, NoRule)
    assert re.search("∂J/∂" if has_gradient else "no gradient, because", record.formula)
    assert record.latex
    assert record.latex.count("{") == record.latex.count("}")
    if has_gradient:
        assert r"\frac{\partial " in record.latex


@pytest.mark.parametrize("record", RECORDS)
def test_what_has_no_rule_says_why(record: Operator) -> None:
    values = [getattr(record, field.name) for field in dataclasses.fields(record)]
    for value in values:
        assert not isinstance(value, NoRule) or len(value.reason.split()) > 3


def test_formulas_are_specific() -> None:
    names = ("relu", "gelu", "silu", "sigmoid", "tanh", "elu", "mish", "exp", "log", "mse_loss", "huber_loss")
    assert len({TABLE[f"aten.{name}.default"].formula for name in names}) == len(names)


def test_the_table_is_read_only() -> None:
    with pytest.raises(TypeError):
        TABLE["aten.relu.default"] = TABLE["aten.tanh.default"]  # type: ignore[index]
    with pytest.raises(dataclasses.FrozenInstanceError):
        TABLE["aten.relu.default"].name = "other"  # type: ignore[misc]


def test_lookup_takes_targets_and_names() -> None:
    assert lookup(torch.ops.aten.conv2d.default) is lookup("aten.conv2d.default")
    assert name_of(python_operator.mul) == "python.mul"


def test_an_unknown_operator_is_named_with_its_neighbors() -> None:
    with pytest.raises(UsageError, match=r"unknown operator 'aten.relu.defalt': did you mean aten.relu.default"):
        lookup("aten.relu.defalt")  # codespell:ignore


def test_size_operators_compute_and_have_no_gradient() -> None:
    assert lookup("aten.sym_size.int").forward(torch.zeros(2, 3), 1) == (3, None)
    assert lookup("python.floordiv").forward(7, 2) == (3, None)
    assert isinstance(lookup("python.floordiv").gradient, NoRule)


def test_batch_normalization_leaves_its_running_statistics_alone() -> None:
    mean, variance = torch.zeros(3), torch.ones(3)
    lookup("aten.batch_norm.default").forward(torch.randn(4, 3, 2), None, None, mean, variance, True, 0.1, 1e-5, False)
    assert torch.equal(mean, torch.zeros(3))
    assert torch.equal(variance, torch.ones(3))


def test_grouped_queries_are_refused() -> None:
    q = torch.randn(1, 4, 3, 2)
    with pytest.raises(UsageError, match="enable_gqa=True has no rule"):
        lookup("aten.scaled_dot_product_attention.default").forward(q, q, q, enable_gqa=True)


def test_an_einsum_of_three_tensors_is_refused() -> None:
    with pytest.raises(UsageError, match=r"aten\.einsum has no rule for 'i,i,i->i' with 3 operands\. Accepted: two"):
        lookup("aten.einsum.default").forward("i,i,i->i", [torch.ones(2)] * 3)


IMAGE = (2, 3, 9, 8)

WINDOWS = [
    ("aten.conv2d.default", None, ((1, 3, 9, 9), (4, 3, 3, 5), None, [2, 1], [1, 2]), ((3, 5), (2, 1), (1, 2), (1, 1))),
    ("aten.conv1d.default", None, ((1, 3, 9), (4, 3, 2), None, [1], [0], [4]), ((2,), (1,), (0,), (4,))),
    (
        "aten.conv2d.padding",
        None,
        ((1, 3, 9, 9), (4, 3, 3, 3), None, [1, 1], "same", [2, 2]),
        ((3, 3), (1, 1), (2, 2), (2, 2)),
    ),
    ("aten.max_pool2d.default", None, ((1, 3, 9, 9), [3, 3], [2, 2]), ((3, 3), (2, 2), (0, 0), (1, 1))),
    (
        "aten.max_pool2d_with_indices.default",
        None,
        ((1, 3, 9, 9), [2, 2], [], [0, 0], [1, 1], True),
        ((2, 2), (2, 2), (0, 0), (1, 1)),
    ),
    ("aten.max_pool1d.default", None, ((1, 3, 9), [3], [], [1]), ((3,), (3,), (1,), (1,))),
    ("aten.avg_pool2d.default", None, ((1, 3, 9, 9), [2]), ((2, 2), (2, 2), (0, 0), (1, 1))),
    ("aten.adaptive_avg_pool2d.default", None, ((1, 3, 8, 6), [4, 3]), ((2, 2), (2, 2), (0, 0), (1, 1))),
    ("aten.pixel_unshuffle.default", None, ((1, 3, 9, 8), 3), ((3, 3), (3, 3), (0, 0), (1, 1))),
    ("aten.pad.default", None, ((1, 3, 9, 8), [2, 0]), ((1,), (1,), (2,), (1,))),
    ("aten.pad.default", None, ((1, 3, 9, 8), [2, 0, 5, 0]), ((1, 1), (1, 1), (5, 2), (1, 1))),
    ("aten.pad.default", None, ((1, 3, 9, 8), [2, 0, 5, 0, 1, 4]), ((1,) * 3, (1,) * 3, (1, 5, 2), (1,) * 3)),
    ("aten.slice.Tensor", None, ((1, 3, 9, 8), 2, 1, 9, 2), ((1, 1), (2, 1), (-1, 0), (1, 1))),
]


@pytest.mark.parametrize(("name", "output", "args", "expected"), WINDOWS)
def test_windows(name: str, output: object, args: tuple[object, ...], expected: tuple[tuple[int, ...], ...]) -> None:
    kernel, stride, padding, dilation = expected
    whole = (-len(kernel) - 1,) if name.startswith("aten.conv") else ()
    assert window_of(name, output, *args) == Window(
        kernel=kernel, stride=stride, padding=padding, dilation=dilation, whole=whole
    )


def test_windows_of_one_place_and_of_the_whole_input() -> None:
    image = IMAGE
    assert window_of("aten.relu.default", image, image) is POINTWISE
    assert window_of("aten.batch_norm.default", image, image, None, None, None, None, False) is POINTWISE
    assert window_of("aten.batch_norm.default", image, image, None, None, None, None, True) is WHOLE_INPUT
    assert window_of("aten.adaptive_avg_pool2d.default", (2, 3, 1, 1), image, [1, 1]) is WHOLE_INPUT
    assert window_of("aten.instance_norm.default", image, image, None, None, None, None, True) is WHOLE_INPUT


AXES = [
    ("aten.mean.dim", (2, 3), (IMAGE, [2, 3]), Subscripts(inputs=((0, 1, 2, 3),), output=(0, 1))),
    ("aten.std.dim", (2, 3), (IMAGE, [2, 3]), Subscripts(inputs=((0, 1, 2, 3),), output=(0, 1))),
    (
        "aten.linalg_vector_norm.default",
        (2, 1, 9, 8),
        (IMAGE, 2, [1], True),
        Subscripts(inputs=((0, 1, 2, 3),), output=(0, 5, 2, 3)),
    ),
    ("aten.softmax.int", IMAGE, (IMAGE, -1), Subscripts(inputs=((0, 1, 2, 3),), output=(0, 1, 2, 7))),
    ("aten.layer_norm.default", IMAGE, (IMAGE, [9, 8]), Subscripts(inputs=((0, 1, 2, 3),), output=(0, 1, 6, 7))),
    ("aten.linear.default", (2, 5, 4), ((2, 5, 3), (4, 3)), Subscripts(inputs=((0, 1, 2),), output=(0, 1, 5))),
    (
        "aten.permute.default",
        (2, 9, 8, 3),
        (IMAGE, [0, 2, 3, -3]),
        Subscripts(inputs=((0, 1, 2, 3),), output=(0, 2, 3, 1)),
    ),
    ("aten.transpose.int", (2, 9, 3, 8), (IMAGE, 1, -2), reordered((0, 2, 1, 3))),
    ("aten.movedim.int", (2, 9, 8, 3), (IMAGE, 1, -1), reordered((0, 2, 3, 1))),
    ("aten.matmul.default", (2, 5, 4), ((5, 3), (2, 3, 4)), Subscripts(inputs=((1, 2), (0, 2, 3)), output=(0, 1, 3))),
    ("aten.cat.default", IMAGE, ([IMAGE, IMAGE], -3), Joined(1)),
    ("aten.stack.default", (*IMAGE, 2), ([IMAGE, IMAGE], -1), Joined(4, new=True)),
    ("aten.chunk.default", None, (IMAGE, 3, 1), Parted(1)),
    ("aten.unbind.int", None, (IMAGE, 1), Parted(1, removed=True)),
    ("aten.select.int", (2, 3, 8), (IMAGE, 2, -1), Taken(2, 8)),
    ("aten.flatten.using_ints", (2, 27, 8), (IMAGE, 1, 2), Reshaped()),
]


@pytest.mark.parametrize(("name", "output", "args", "expected"), AXES)
def test_what_output_elements_share_with_the_axes_of_the_input(
    name: str, output: object, args: tuple[object, ...], expected: object
) -> None:
    assert window_of(name, output, *args) == expected


def test_places_that_no_window_gives_say_why() -> None:
    flipped = window_of("aten.flip.default", IMAGE, IMAGE, [-1])
    assert flipped == Scattered((3,), "a reversed axis cannot be written as a window with a stride")
    rolled = window_of("aten.roll.default", IMAGE, IMAGE, [2, 2], [2, 3])
    assert rolled == Scattered((2, 3), "a circular shift brings the far edge to the near one")
    reflected = window_of("aten.pad.default", (2, 3, 9, 10), IMAGE, [1, 1, 0, 0], "reflect")
    assert reflected == Scattered((3,), "reflect padding shows places near the edge a second time")


def test_windows_that_do_not_exist_say_why() -> None:
    assert isinstance(TABLE["aten.pixel_shuffle.default"].window, NoRule)
    assert isinstance(TABLE["aten.max_unpool2d.default"].window, NoRule)
    assert isinstance(window_of("aten.adaptive_avg_pool1d.default", (2, 3, 4), (2, 3, 9), [4]), NoRule)
