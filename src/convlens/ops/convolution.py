"""Convolution and transposed convolution in 1, 2 and 3 dimensions, by torch's kernels.

The definition that they must equal, and the legend of U, W, b and Z, stand in convolution_definition.py.
"""

from collections.abc import Callable
from math import prod
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from convlens.ops.convolution_definition import Geometry, per_axis
from convlens.ops.dense import linear_map, selection_of
from convlens.ops.linear import products
from convlens.ops.record import (
    Backward,
    Gradients,
    Local,
    NoRule,
    Operator,
    Seen,
    Shape,
    Window,
    only_wanted,
    operator,
    plain,
    reads_other_factor,
)
from convlens.ops.stand_in import stand_in

aten = torch.ops.aten


def _gradient(back: Backward, u: Tensor, w: Tensor, b: Tensor | None, g: Geometry) -> Gradients:
    """∂J/∂U, ∂J/∂W and, where there is a bias, ∂J/∂b, by torch's kernel."""
    if u.ndim == len(g.stride) + 1:
        return _unbatched_gradient(back, u, w, b, g)
    dz = back.upstream
    mask = [*back.needs, False][:3]
    gradients = aten.convolution_backward(
        dz,
        stand_in(u, dz),
        stand_in(w, dz),
        None if b is None else b.shape,
        g.stride,
        g.padding,
        g.dilation,
        g.transposed,
        g.output_padding,
        g.groups,
        mask,
    )
    return only_wanted(gradients[: len(back.needs)], back.needs)


def _unbatched_gradient(back: Backward, u: Tensor, w: Tensor, b: Tensor | None, g: Geometry) -> Gradients:
    du, *rest = _gradient(back._replace(upstream=back.upstream.unsqueeze(0)), u.unsqueeze(0), w, b, g)
    return (None if du is None else du.squeeze(0), *rest)


def _local_gradient(forward: Callable[..., Tensor]) -> Any:
    """∂Z/∂U and ∂Z/∂W are those of linear maps; ∂Z/∂b is 1 where the channel is the same."""

    def rule(local: Local, u: Tensor, w: Tensor, b: Tensor | None = None, *places: Any) -> Tensor:
        if local.wrt == 0:
            return linear_map(u, lambda e: forward(e, w, None, *places))
        if local.wrt == 1:
            return linear_map(w, lambda e: forward(u, e, None, *places))
        assert b is not None
        spatial = (1,) * (w.ndim - 2)
        return selection_of(b, lambda index: index.reshape(-1, *spatial).expand(local.output.shape))

    return rule


# Convolution

FORMULA = (
    "Z[i,j,m] = Σ_{k1,k2,n} W[k1,k2,n,m] U[i s + k1 d - p, j s + k2 d - p, n] + b[m];  "
    "∂J/∂W[k1,k2,n,m] = Σ_{i,j} ∂J/∂Z[i,j,m] U[i s + k1 d - p, j s + k2 d - p, n],  "
    "∂J/∂b[m] = Σ_{i,j} ∂J/∂Z[i,j,m],  "
    "∂J/∂U = full convolution of ∂J/∂Z (spread by the stride s) with the flipped filters"
)
LATEX = (
    r"Z_{ijm} = \sum_{k_1 k_2 n} W_{k_1 k_2 n m}\,U_{i s + k_1 d - p,\ j s + k_2 d - p,\ n} + b_m, \quad "
    r"\frac{\partial J}{\partial W_{k_1 k_2 n m}} = \sum_{ij} \frac{\partial J}{\partial Z_{ijm}}"
    r"\,U_{i s + k_1 d - p,\ j s + k_2 d - p,\ n}, \quad "
    r"\frac{\partial J}{\partial b_m} = \sum_{ij} \frac{\partial J}{\partial Z_{ijm}}"
)


def _multiply_adds(output: Shape, _u: Shape, w: Shape, *_: Any) -> int:
    return prod(output) * prod(w[1:])


def _convolution(num_axes: int) -> Operator:
    forward = getattr(F, f"conv{num_axes}d")

    def geometry(stride: Any = 1, padding: Any = 0, dilation: Any = 1, groups: int = 1) -> Geometry:
        return Geometry.of(num_axes, stride=stride, padding=padding, dilation=dilation, groups=groups)

    def gradient(back: Backward, u: Tensor, w: Tensor, b: Tensor | None = None, *places: Any) -> Gradients:
        return _gradient(back, u, w, b, geometry(*places))

    def window(_output: Shape, _u: Shape, w: Shape, _b: Shape | None = None, *places: Any) -> Seen:
        return _window(w, geometry(*places))

    return operator(
        f"aten.conv{num_axes}d.default",
        plain(forward),
        gradient,
        _local_gradient(forward),
        structure="convolution",
        formula=FORMULA,
        latex=LATEX,
        reads=reads_other_factor,
        window=window,
        **products(_multiply_adds, 0, 1),
    )


def _window(w: Shape, g: Geometry) -> Window:
    return Window(kernel=tuple(w[2:]), stride=g.stride, padding=g.padding, dilation=g.dilation, whole=(-len(w) + 1,))


CONV1D, CONV2D, CONV3D = (_convolution(num_axes) for num_axes in (1, 2, 3))


# Convolution with padding="same" or "valid"


def _same_padding(w: Shape, padding: str, dilation: Shape) -> tuple[Shape, Shape]:
    """The padding before, and what "same" pads beyond that at the end where the kernel's reach is odd."""
    reach = [d * (k - 1) if padding == "same" else 0 for k, d in zip(w[2:], dilation, strict=True)]
    return tuple(r // 2 for r in reach), tuple(r % 2 for r in reach)


def _named_padding(num_axes: int) -> Operator:
    forward = getattr(F, f"conv{num_axes}d")

    def geometry(
        w: Shape, stride: Any = 1, padding: str = "valid", dilation: Any = 1, groups: int = 1
    ) -> tuple[Geometry, Shape]:
        before, extra = _same_padding(w, padding, per_axis(dilation, num_axes))
        return Geometry.of(num_axes, stride=stride, padding=before, dilation=dilation, groups=groups), extra

    def gradient(back: Backward, u: Tensor, w: Tensor, b: Tensor | None = None, *places: Any) -> Gradients:
        g, extra = geometry(w.shape, *places)
        if not any(extra):
            return _gradient(back, u, w, b, g)
        padded = F.pad(u, [side for e in reversed(extra) for side in (0, e)])
        du, *rest = _gradient(back, padded, w, b, g)
        inside = tuple(slice(0, n) for n in u.shape[-num_axes:])
        return (None if du is None else du[(..., *inside)], *rest)

    def window(_output: Shape, _u: Shape, w: Shape, _b: Shape | None = None, *places: Any) -> Seen:
        return _window(w, geometry(w, *places)[0])

    return operator(
        f"aten.conv{num_axes}d.padding",
        plain(forward),
        gradient,
        _local_gradient(forward),
        structure="convolution",
        formula=FORMULA + ',  with p chosen so that Z is as large as U ("same"), or 0 ("valid")',
        latex=LATEX,
        reads=reads_other_factor,
        window=window,
        **products(_multiply_adds, 0, 1),
    )


CONV1D_PADDING, CONV2D_PADDING, CONV3D_PADDING = (_named_padding(num_axes) for num_axes in (1, 2, 3))


# Transposed convolution


def _transposed(num_axes: int) -> Operator:
    forward = getattr(F, f"conv_transpose{num_axes}d")

    def gradient(
        back: Backward,
        u: Tensor,
        w: Tensor,
        b: Tensor | None = None,
        stride: Any = 1,
        padding: Any = 0,
        output_padding: Any = 0,
        groups: int = 1,
        dilation: Any = 1,
    ) -> Gradients:
        g = Geometry.of(
            num_axes,
            stride=stride,
            padding=padding,
            dilation=dilation,
            output_padding=output_padding,
            groups=groups,
            transposed=True,
        )
        return _gradient(back, u, w, b, g)

    return operator(
        f"aten.conv_transpose{num_axes}d.{'default' if num_axes == 1 else 'input'}",
        plain(forward),
        gradient,
        _local_gradient(forward),
        structure="convolution",
        formula="Z[i s + k1 d - p, j s + k2 d - p, m] collects Σ_n W[k1,k2,m,n] U[i,j,n], plus b[m];  "
        "∂J/∂U = convolution of ∂J/∂Z with W,  "
        "∂J/∂W[k1,k2,m,n] = Σ_{i,j} U[i,j,n] ∂J/∂Z[i s + k1 d - p, j s + k2 d - p, m],  "
        "∂J/∂b[m] = Σ_{i,j} ∂J/∂Z[i,j,m]",
        latex=r"Z_{i s + k_1 d - p,\ j s + k_2 d - p,\ m} \leftarrow \sum_{n} W_{k_1 k_2 m n}\,U_{ijn} + b_m, \quad "
        r"\frac{\partial J}{\partial U_{ijn}} = \sum_{k_1 k_2 m} W_{k_1 k_2 m n}"
        r"\,\frac{\partial J}{\partial Z_{i s + k_1 d - p,\ j s + k_2 d - p,\ m}}",
        reads=reads_other_factor,
        window=NoRule(
            "an output place of a transposed convolution sees a number of input places that changes with its phase"
        ),
        **products(lambda _output, u, w, *_: prod(u) * prod(w[1:]), 0, 1),
    )


CONV_TRANSPOSE1D, CONV_TRANSPOSE2D, CONV_TRANSPOSE3D = (_transposed(num_axes) for num_axes in (1, 2, 3))
