"""Resampling of images: nearest, bilinear and bicubic, each a linear map of the input."""

from typing import Any

import torch
from torch import Tensor

from convlens.ops.dense import linear_map
from convlens.ops.record import Backward, Gradients, NoRule, Operator, operator, plain

aten = torch.ops.aten


def _resampling(kind: str, has_corners: bool, formula: str, latex: str) -> Operator:
    forward = getattr(aten, f"upsample_{kind}2d").vec
    backward_kernel = getattr(aten, f"upsample_{kind}2d_backward").default

    def gradient(back: Backward, u: Tensor, output_size: Any, *settings: Any) -> Gradients:
        corners = settings[:1] if has_corners else ()
        factors = settings[-1] if len(settings) > has_corners else None
        scales = tuple(factors) if factors is not None else (None, None)
        return (backward_kernel(back.upstream, back.upstream.shape[-2:], u.shape, *corners, *scales),)

    return operator(
        f"aten.upsample_{kind}2d.vec",
        plain(forward),
        gradient,
        lambda _, u, *settings: linear_map(u, lambda e: forward(e, *settings)),
        structure="sum",
        formula=f"{formula};  ∂J/∂u_a = Σ_i w_ia ∂J/∂y_i",
        latex=rf"{latex}, \quad "
        rf"\frac{{\partial J}}{{\partial u_a}} = \sum_i w_{{ia}} \frac{{\partial J}}{{\partial y_i}}",
        window=NoRule("neighboring output places see the same input places: the stride is below one"),
    )


NEAREST = _resampling(
    "nearest", False, "y_i = u at the nearest place, w_ia = 1 there", r"y_i = u_{\lfloor i L / l \rfloor}"
)
BILINEAR = _resampling(
    "bilinear",
    True,
    "y_i = Σ_a w_ia u_a over the 4 places around, weights by distance",
    r"y_i = \sum_a w_{ia} u_a",
)
BICUBIC = _resampling(
    "bicubic", True, "y_i = Σ_a w_ia u_a over 16 places around, cubic weights", r"y_i = \sum_a w_{ia} u_a"
)
