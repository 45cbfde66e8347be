"""Max and average pooling, plain and adaptive, in 1, 2 and 3 dimensions, and max unpooling, by torch's kernels.

The definitions that they must equal stand in pooling_definition.py. Torch has kernels in 2 and 3 dimensions; a
one-dimensional input is given to the former with an axis of length 1.
"""

from math import prod
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from convlens.ops.convolution_definition import per_axis
from convlens.ops.dense import linear_map, one_hot_rows
from convlens.ops.record import (
    WHOLE_INPUT,
    Backward,
    Gradients,
    Local,
    NoRule,
    Operator,
    Seen,
    Shape,
    Window,
    operator,
    plain,
    reads_inputs,
)
from convlens.ops.stand_in import stand_in

aten = torch.ops.aten


def _lifted(value: Any, num_axes: int, filler: int) -> Any:
    """A setting for each axis of the kernel: a leading `filler` for one-dimensional inputs."""
    values = per_axis(value, num_axes)
    return (filler, *values) if num_axes == 1 else values


def _lift(x: Tensor, num_axes: int) -> Tensor:
    return x.unsqueeze(-2) if num_axes == 1 else x


def _lower(x: Tensor, num_axes: int) -> Tensor:
    return x.squeeze(-2) if num_axes == 1 else x


# Max pooling: Z[i, j, n] = max_{k1, k2} U[i s + k1 d - p, j s + k2 d - p, n]


def _max_pool(num_axes: int, *, with_indices: bool = False) -> Operator:
    """The record; `with_indices` gives as a second output where each maximum was found, in places of its channel."""
    kernel_axes = max(num_axes, 2)
    forward_kernel = getattr(aten, f"max_pool{kernel_axes}d_with_indices")
    backward_kernel = getattr(aten, f"max_pool{kernel_axes}d_with_indices_backward")

    def places(
        kernel: Any, stride: Any = (), padding: Any = 0, dilation: Any = 1, ceil: bool = False
    ) -> tuple[Any, ...]:
        return (
            _lifted(kernel, num_axes, 1),
            _lifted(stride or kernel, num_axes, 1),
            _lifted(padding, num_axes, 0),
            _lifted(dilation, num_axes, 1),
            ceil,
        )

    def forward(u: Tensor, *settings: Any) -> tuple[Any, Tensor]:
        """The output, and where in its channel each maximum was found."""
        z, winners = forward_kernel(_lift(u, num_axes), *places(*settings))
        z = _lower(z, num_axes)
        return (z, winners) if with_indices else z, winners

    def gradient(back: Backward, u: Tensor, *settings: Any) -> Gradients:
        dz = _lift(back.upstream[0] if with_indices else back.upstream, num_axes)
        du = backward_kernel(dz, stand_in(_lift(u, num_axes), dz), *places(*settings), back.saved)
        return (_lower(du, num_axes),)

    def local_gradient(local: Local, u: Tensor, *_: Any) -> Any:
        planes = torch.arange(prod(u.shape[:-num_axes])).reshape(*u.shape[:-num_axes], *(1,) * num_axes)
        winners = local.saved.reshape((local.output[0] if with_indices else local.output).shape)
        dz_du = one_hot_rows(winners + planes * prod(u.shape[-num_axes:]), u)
        return (dz_du, None) if with_indices else dz_du

    def window(_output: Shape, _u: Shape, *settings: Any) -> Seen:
        kernel, stride, padding, dilation = (value[-num_axes:] for value in places(*settings)[:4])
        return Window(kernel=kernel, stride=stride, padding=padding, dilation=dilation)

    return operator(
        f"aten.max_pool{num_axes}d{'_with_indices' if with_indices else ''}.default",
        forward,
        gradient,
        local_gradient,
        structure="selection",
        formula="Z[i,j,n] = max_{k1,k2} U[i s + k1 d - p, j s + k2 d - p, n];  ∂J/∂U is ∂J/∂Z at the place that won "
        "each window (summed where one place wins several), 0 elsewhere",
        latex=r"Z_{ijn} = \max_{k_1 k_2} U_{i s + k_1 d - p,\ j s + k_2 d - p,\ n}, \quad "
        r"\frac{\partial J}{\partial U_{abn}} = \sum_{ij:\ (a, b)\ \mathrm{wins}\ (i, j)} "
        r"\frac{\partial J}{\partial Z_{ijn}}",
        window=window,
    )


MAX_POOL1D, MAX_POOL2D, MAX_POOL3D = (_max_pool(num_axes) for num_axes in (1, 2, 3))
MAX_POOL2D_WITH_INDICES = _max_pool(2, with_indices=True)


# Max unpooling: each value goes back to the place where max pooling found its maximum, zeros elsewhere


def _unpool_gradient(back: Backward, u: Tensor, indices: Tensor, _output_size: Any) -> Gradients:
    """The upstream gradient at the places that the values went to; the places themselves take none."""
    dz = back.upstream.flatten(-2).gather(-1, indices.flatten(-2))
    return (dz.reshape(u.shape), None)


MAX_UNPOOL2D = operator(
    "aten.max_unpool2d.default",
    plain(aten.max_unpool2d),
    _unpool_gradient,
    lambda _, u, indices, output_size: linear_map(u, lambda e: aten.max_unpool2d(e, indices, output_size)),
    structure="selection",
    formula="Z[π(i,j,n),n] = U[i,j,n], 0 at all other places, π the indices of max pooling, no place twice;  "
    "∂J/∂U[i,j,n] = ∂J/∂Z[π(i,j,n),n]",
    latex=r"Z_{\pi(ijn)\,n} = U_{ijn},\ 0\ \mathrm{elsewhere}, \quad "
    r"\frac{\partial J}{\partial U_{ijn}} = \frac{\partial J}{\partial Z_{\pi(ijn)\,n}}",
    reads=reads_inputs(1),
    window=NoRule("which input place an output place sees, if any, depends on where the maxima were"),
)


# Average pooling: Z[i, j, n] = 1/K Σ_{k1, k2} U[i s + k1 - p, j s + k2 - p, n]


def _average_pool(num_axes: int) -> Operator:
    forward = getattr(F, f"avg_pool{num_axes}d")
    backward_kernel = getattr(aten, f"avg_pool{max(num_axes, 2)}d_backward")

    def places(kernel: Any, stride: Any = (), padding: Any = 0) -> tuple[Any, ...]:
        return (
            _lifted(kernel, num_axes, 1),
            _lifted(stride or kernel, num_axes, 1),
            _lifted(padding, num_axes, 0),
        )

    def gradient(
        back: Backward,
        u: Tensor,
        kernel: Any,
        stride: Any = (),
        padding: Any = 0,
        ceil: bool = False,
        count_padding: bool = True,
        divisor: int | None = None,
    ) -> Gradients:
        dz = _lift(back.upstream, num_axes)
        settings = (*places(kernel, stride, padding), ceil, count_padding, divisor)
        return (_lower(backward_kernel(dz, stand_in(_lift(u, num_axes), dz), *settings), num_axes),)

    def local_gradient(_: Local, u: Tensor, *settings: Any) -> Tensor:
        return linear_map(u, lambda e: forward(e, *settings))

    def window(_output: Shape, _u: Shape, *settings: Any) -> Seen:
        kernel, stride, padding = (value[-num_axes:] for value in places(*settings[:3]))
        return Window(kernel=kernel, stride=stride, padding=padding, dilation=(1,) * num_axes)

    return operator(
        f"aten.avg_pool{num_axes}d.default",
        plain(forward),
        gradient,
        local_gradient,
        structure="sum",
        formula="Z[i,j,n] = 1/K Σ_{k1,k2} U[i s + k1 - p, j s + k2 - p, n], K places in a window;  "
        "∂J/∂U gets 1/K of ∂J/∂Z from every window that covers the place",
        latex=r"Z_{ijn} = \frac{1}{K} \sum_{k_1 k_2} U_{i s + k_1 - p,\ j s + k_2 - p,\ n}, \quad "
        r"\frac{\partial J}{\partial U_{abn}} = \frac{1}{K} \sum_{ij\ \mathrm{covers}\ ab} "
        r"\frac{\partial J}{\partial Z_{ijn}}",
        window=window,
    )


AVG_POOL1D, AVG_POOL2D, AVG_POOL3D = (_average_pool(num_axes) for num_axes in (1, 2, 3))


# Adaptive average pooling: the windows follow from the output size


def _adaptive_window(_output: Any, u: Shape, output_size: Any) -> Seen:
    lengths = u[2:]
    sizes = per_axis(output_size, len(lengths))
    if all(size == 1 for size in sizes):
        return WHOLE_INPUT
    if any(length % size for length, size in zip(lengths, sizes, strict=True)):
        return NoRule(f"windows of different sizes map {lengths} places to {sizes}")
    kernel = tuple(length // size for length, size in zip(lengths, sizes, strict=True))
    return Window(kernel=kernel, stride=kernel, padding=(0,) * len(kernel), dilation=(1,) * len(kernel))


def _adaptive_average_pool(num_axes: int) -> Operator:
    forward = getattr(F, f"adaptive_avg_pool{num_axes}d")
    backward_kernel = getattr(aten, f"_adaptive_avg_pool{max(num_axes, 2)}d_backward")

    def gradient(back: Backward, u: Tensor, output_size: Any) -> Gradients:
        dz = back.upstream
        if all(size == 1 for size in per_axis(output_size, num_axes)):
            return ((dz / prod(u.shape[-num_axes:])).expand(u.shape),)
        dz = _lift(dz, num_axes)
        return (_lower(backward_kernel(dz, stand_in(_lift(u, num_axes), dz)), num_axes),)

    return operator(
        f"aten.adaptive_avg_pool{num_axes}d.default",
        plain(forward),
        gradient,
        lambda _, u, output_size: linear_map(u, lambda e: forward(e, output_size)),
        structure="sum",
        formula="Z[i,n] = mean of U[a,n] for ⌊i L/l⌋ ≤ a < ⌈(i+1) L/l⌉ on each axis, L its length before, l after;  "
        "∂J/∂U gets its equal share of ∂J/∂Z from every window that covers the place",
        latex=r"Z_{in} = \frac{1}{|A_i|} \sum_{a \in A_i} U_{an},\ A_i = \{\lfloor i L / l \rfloor, \dots, "
        r"\lceil (i + 1) L / l \rceil - 1\}, \quad "
        r"\frac{\partial J}{\partial U_{an}} = \sum_{i:\ a \in A_i} \frac{1}{|A_i|} \frac{\partial J}{\partial Z_{in}}",
        window=_adaptive_window,
    )


ADAPTIVE_AVG_POOL1D, ADAPTIVE_AVG_POOL2D, ADAPTIVE_AVG_POOL3D = (_adaptive_average_pool(axes) for axes in (1, 2, 3))


# Adaptive max pooling: the windows follow from the output size, the largest of each wins


def _adaptive_max_pool(num_axes: int) -> Operator:
    forward_kernel = getattr(aten, f"adaptive_max_pool{max(num_axes, 2)}d")
    backward_kernel = getattr(aten, f"adaptive_max_pool{max(num_axes, 2)}d_backward")

    def forward(u: Tensor, output_size: Any) -> tuple[tuple[Tensor, Tensor], Tensor]:
        """The maxima, and where in its channel each was found."""
        z, winners = forward_kernel(_lift(u, num_axes), _lifted(output_size, num_axes, 1))
        return (_lower(z, num_axes), _lower(winners, num_axes)), winners

    def gradient(back: Backward, u: Tensor, _output_size: Any) -> Gradients:
        dz = _lift(back.upstream[0], num_axes)
        return (_lower(backward_kernel(dz, stand_in(_lift(u, num_axes), dz), back.saved), num_axes),)

    def local_gradient(local: Local, u: Tensor, _output_size: Any) -> tuple[Tensor, None]:
        planes = torch.arange(prod(u.shape[:-num_axes])).reshape(*u.shape[:-num_axes], *(1,) * num_axes)
        winners = local.saved.reshape(local.output[0].shape)
        return one_hot_rows(winners + planes * prod(u.shape[-num_axes:]), u), None

    return operator(
        f"aten.adaptive_max_pool{num_axes}d.default",
        forward,
        gradient,
        local_gradient,
        structure="selection",
        formula="Z[i,n] = max of U[a,n] for ⌊i L/l⌋ ≤ a < ⌈(i+1) L/l⌉ on each axis, L its length before, l after;  "
        "∂J/∂U is ∂J/∂Z at the place that won each window (summed where one place wins several), 0 elsewhere",
        latex=r"Z_{in} = \max_{a \in A_i} U_{an},\ A_i = \{\lfloor i L / l \rfloor, \dots, "
        r"\lceil (i + 1) L / l \rceil - 1\}, \quad "
        r"\frac{\partial J}{\partial U_{an}} = \sum_{i:\ a\ \mathrm{wins}\ i} \frac{\partial J}{\partial Z_{in}}",
        window=_adaptive_window,
    )


ADAPTIVE_MAX_POOL1D, ADAPTIVE_MAX_POOL2D, ADAPTIVE_MAX_POOL3D = (_adaptive_max_pool(axes) for axes in (1, 2, 3))
