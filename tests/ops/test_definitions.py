"""The definitions of convolution, pooling and normalization against the fast kernels of the table."""

import itertools
from typing import Any

import pytest
import torch
from torch import Tensor

from convlens.ops import Backward, NoRule, lookup
from convlens.ops.convolution_definition import Geometry, bias_gradient, convolve, filter_gradient, input_gradient
from convlens.ops.normalization_definition import normalize, normalize_gradient
from convlens.ops.pooling_definition import (
    adaptive_average_pool,
    average_pool,
    average_pool_gradient,
    max_pool,
    max_pool_gradient,
    max_unpool,
)

from .oracle import relative_error

SIZES = (7, 6, 5)
SETTINGS = [
    (stride, padding, dilation, groups)
    for stride, padding, dilation, groups in itertools.product((1, 2), (0, 1), (1, 2), (1, 2))
]


def normal(*shape: int) -> Tensor:
    generator = torch.Generator().manual_seed(sum(shape))
    return torch.randn(shape, generator=generator, dtype=torch.float64)


def by_table(name: str, *args: Any, upstream: Tensor | None = None) -> tuple[Tensor, Tensor, tuple[Any, ...]]:
    """Output, upstream gradient and the gradients of all tensor inputs, by the operator table."""
    operator = lookup(name)
    output, saved = operator.forward(*args)
    upstream = normal(*output.shape) if upstream is None else upstream
    needs = tuple(True for arg in args if isinstance(arg, Tensor))
    return output, upstream, operator.gradient(Backward(upstream, output, saved, needs), *args)


def assert_same(ours: Tensor, theirs: Tensor) -> None:
    assert relative_error(ours, theirs) <= 1e-10


@pytest.mark.parametrize("num_axes", [1, 2, 3])
@pytest.mark.parametrize(("stride", "padding", "dilation", "groups"), SETTINGS)
def test_convolution(num_axes: int, stride: int, padding: int, dilation: int, groups: int) -> None:
    g = Geometry.of(num_axes, stride=stride, padding=padding, dilation=dilation, groups=groups)
    u, w, b = normal(2, 4, *SIZES[:num_axes]), normal(6, 4 // groups, *(2, 3, 1)[:num_axes]), normal(6)
    z, dz, (du, dw, db) = by_table(f"aten.conv{num_axes}d.default", u, w, b, g.stride, g.padding, g.dilation, groups)
    assert_same(convolve(u, w, b, g), z)
    assert_same(filter_gradient(dz, u, w, g), dw)
    assert_same(input_gradient(dz, u.shape, w, g), du)
    assert_same(bias_gradient(dz), db)


@pytest.mark.parametrize("num_axes", [1, 2, 3])
@pytest.mark.parametrize(("stride", "padding", "dilation", "groups"), SETTINGS)
def test_transposed_convolution_swaps_input_and_output(
    num_axes: int, stride: int, padding: int, dilation: int, groups: int
) -> None:
    g = Geometry.of(num_axes, stride=stride, padding=padding, dilation=dilation, groups=groups)
    u, w = normal(2, 4, *SIZES[:num_axes]), normal(4, 6 // groups, *(2, 3, 1)[:num_axes])
    name = f"aten.conv_transpose{num_axes}d.{'default' if num_axes == 1 else 'input'}"
    z, dz, (du, dw) = by_table(name, u, w, None, g.stride, g.padding, g.output_padding, groups, g.dilation)
    assert_same(input_gradient(u, z.shape, w, g), z)
    assert_same(convolve(dz, w, None, g), du)
    assert_same(filter_gradient(u, dz, w, g), dw)


@pytest.mark.parametrize("num_axes", [1, 2, 3])
@pytest.mark.parametrize(
    ("kernel", "stride", "padding", "dilation"), [(2, 2, 0, 1), (3, 2, 1, 1), (3, 1, 1, 2), (2, 3, 1, 2)]
)
def test_max_pooling(num_axes: int, kernel: int, stride: int, padding: int, dilation: int) -> None:
    u = normal(2, 3, *SIZES[:num_axes])
    places = [(n,) * num_axes for n in (kernel, stride, padding, dilation)]
    z, dz, (du,) = by_table(f"aten.max_pool{num_axes}d.default", u, *places)
    assert_same(max_pool(u, *places), z)
    assert_same(max_pool_gradient(dz, u, *places), du)


@pytest.mark.parametrize("size", [(6, 8), (5, 7)])
def test_max_unpooling_puts_maxima_back_where_they_were_found(size: tuple[int, int]) -> None:
    u = normal(2, 3, *size)
    (z, indices), _ = lookup("aten.max_pool2d_with_indices.default").forward(u, [2, 2], [2, 2], [0, 0], [1, 1], True)
    assert_same(u.flatten(2).gather(2, indices.flatten(2)).reshape(z.shape), z)
    unpool = lookup("aten.max_unpool2d.default")
    y, _ = unpool.forward(z, indices, list(size))
    assert_same(max_unpool(z, indices, size), y)
    assert torch.equal(y[y != 0], u[y != 0])
    assert (y != 0).sum() == z.numel()
    dy = normal(*y.shape)
    assert not isinstance(unpool.gradient, NoRule)
    dz, none = unpool.gradient(Backward(dy, y, None, (True, False)), z, indices, list(size))
    assert none is None
    assert_same(max_unpool(dz, indices, size), dy * (y != 0))


@pytest.mark.parametrize("num_axes", [1, 2, 3])
@pytest.mark.parametrize(("kernel", "stride", "padding"), [(2, 2, 0), (3, 2, 1), (3, 1, 1)])
def test_average_pooling(num_axes: int, kernel: int, stride: int, padding: int) -> None:
    u = normal(2, 3, *SIZES[:num_axes])
    places = [(n,) * num_axes for n in (kernel, stride, padding)]
    z, dz, (du,) = by_table(f"aten.avg_pool{num_axes}d.default", u, *places)
    assert_same(average_pool(u, *places), z)
    assert_same(average_pool_gradient(dz, u, *places), du)


@pytest.mark.parametrize("size", [(1,), (3,), (2, 3), (1, 1), (3, 1, 2)])
def test_adaptive_average_pooling(size: tuple[int, ...]) -> None:
    u = normal(2, 3, *SIZES[: len(size)])
    z, _, _ = by_table(f"aten.adaptive_avg_pool{len(size)}d.default", u, size)
    assert_same(adaptive_average_pool(u, size), z)


@pytest.mark.parametrize("num_axes", [0, 1, 2, 3])
def test_batch_normalization(num_axes: int) -> None:
    u, weight, bias = normal(4, 3, *SIZES[:num_axes]), normal(3), normal(3)
    y, dy, (du, dweight, dbias) = by_table(
        "aten.batch_norm.default", u, weight, bias, None, None, True, 0.1, 1e-5, False
    )
    axes = [0, *range(2, u.ndim)]
    scale, shift = (parameter.reshape(-1, *(1,) * num_axes) for parameter in (weight, bias))
    normalized, inverse = normalize(u, axes, 1e-5)
    assert_same(scale * normalized + shift, y)
    assert_same(normalize_gradient(scale * dy, normalized, inverse, axes), du)
    assert_same((dy * normalized).sum(axes), dweight)
    assert_same(dy.sum(axes), dbias)


@pytest.mark.parametrize("num_axes", [1, 2])
def test_layer_normalization(num_axes: int) -> None:
    u = normal(3, 2, 4, 5)
    weight, bias = normal(*u.shape[-num_axes:]), normal(*u.shape[-num_axes:])
    y, dy, (du, dweight, dbias) = by_table("aten.layer_norm.default", u, list(weight.shape), weight, bias)
    axes, others = [*range(-num_axes, 0)], [*range(u.ndim - num_axes)]
    normalized, inverse = normalize(u, axes, 1e-5)
    assert_same(weight * normalized + bias, y)
    assert_same(normalize_gradient(weight * dy, normalized, inverse, axes), du)
    assert_same((dy * normalized).sum(others), dweight)
    assert_same(dy.sum(others), dbias)


@pytest.mark.parametrize("num_groups", [1, 2, 6])
def test_group_normalization(num_groups: int) -> None:
    u = normal(3, 6, 4, 5)
    weight, bias = normal(6), normal(6)
    y, dy, (du, dweight, _) = by_table("aten.group_norm.default", u, num_groups, weight, bias)
    scale, shift = (parameter.reshape(-1, 1, 1) for parameter in (weight, bias))
    normalized, inverse = normalize(u.reshape(3, num_groups, -1), [2], 1e-5)
    assert_same(scale * normalized.reshape(u.shape) + shift, y)
    scaled = (scale * dy).reshape(3, num_groups, -1)
    assert_same(normalize_gradient(scaled, normalized, inverse, [2]).reshape(u.shape), du)
    assert_same((dy * normalized.reshape(u.shape)).sum([0, 2, 3]), dweight)
