"""Calls of every operator that has a gradient: odd sizes, broadcasting, strides, groups, missing arguments."""

import math
from typing import Any

import torch

from .oracle import Case, Random


def r(*shape: int, **how: Any) -> Random:
    """A normal random tensor."""
    return Random(shape, **how)


def positive(*shape: int) -> Random:
    """Values from 0.3 to 2."""
    return Random(shape, low=0.3)


def probabilities(*shape: int) -> Random:
    """Values from 0.1 to 0.9."""
    return Random(shape, low=0.1, high=0.9)


def constant(*shape: int) -> Random:
    """Positive values that nobody differentiates by: weights of classes, running variances."""
    return Random(shape, low=0.3, constant=True)


def classes(number: int, *shape: int) -> Random:
    """Integers below `number`."""
    return Random(shape, classes=number)


def case(*args: Any, **kwargs: Any) -> Case:
    """One call."""
    return Case(args, kwargs)


def unary(*settings: tuple[Any, ...]) -> list[Case]:
    """Calls of an activation function, with each of these settings."""
    plain = [case(r(3, 5)), case(r(2, 3, 3, 1, channels_last=True)), case(r())]
    return [case(r(3, 5), *setting) for setting in settings] or plain


ACTIVATION = {
    **{
        f"aten.{name}.default": unary()
        for name in [
            "relu",
            "relu6",
            "hardtanh",
            "leaky_relu",
            "elu",
            "selu",
            "celu",
            "sigmoid",
            "log_sigmoid",
            "tanh",
            "hardsigmoid",
            "hardswish",
            "silu",
            "mish",
            "softplus",
        ]
    },
    "aten.hardtanh.default": unary((), (-0.5, 0.7)),
    "aten.leaky_relu.default": unary((), (0.2,)),
    "aten.elu.default": unary((), (0.7,), (1.2, 0.9, 1.1)),
    "aten.celu.default": unary((), (0.5,)),  # torch rounds 1 / alpha to single precision
    "aten.softplus.default": unary((), (2, 1)),
    "aten.threshold.default": unary((0.1, 0.3)),
    "aten.gelu.default": [*unary(), case(r(3, 5), approximate="tanh"), case(r(7), approximate="none")],
    "aten.prelu.default": [case(r(2, 3, 5), r(3)), case(r(2, 3), r(1)), case(r(5), r(1)), case(r(2, 3, 2, 2), r(3))],
    "aten.softmax.int": [case(r(3, 5), 1), case(r(3, 2, 4), 1), case(r(3, 5), -1, torch.float64), case(r(4), 0)],
    "aten.log_softmax.int": [case(r(3, 5), 1), case(r(3, 2, 4), 1), case(r(3, 5), -1, torch.float64), case(r(4), 0)],
    "aten.dropout.default": [case(r(3, 7), p, train) for p, train in ((0.4, True), (0.4, False), (0.0, True))],
    "aten.alpha_dropout.default": [case(r(3, 7), p, train) for p, train in ((0.4, True), (0.4, False), (0.0, True))],
    "aten.feature_dropout.default": [case(r(3, 4, 2, 2), p, train) for p, train in ((0.4, True), (0.4, False))],
}

BROADCAST = [(r(3, 4), r(3, 4)), (r(2, 3, 4), r(3, 1)), (r(3, 1), r(2, 1, 5)), (r(2, 3), r())]
CONDITIONS = Random((3, 4), classes=2)

ELEMENTWISE = {
    "aten.add.Tensor": [
        *(case(*pair) for pair in BROADCAST),
        case(r(3), r(2, 3), alpha=0.5),
        case(r(3, 2), 1.5),
        case(r(), 1.5),
    ],
    "aten.sub.Tensor": [*(case(*pair) for pair in BROADCAST), case(r(3), r(2, 3), alpha=0.5), case(r(3, 2), 1.5)],
    "aten.add.Scalar": [case(r(3, 2), 1.5), case(r(3, 2), 1.5, 2)],
    "aten.sub.Scalar": [case(r(3, 2), 1.5), case(r(3, 2), 1.5, 2)],
    "aten.rsub.Scalar": [case(r(3, 2), 1), case(r(3, 2), 1.5, 2)],
    "aten.mul.Tensor": [*(case(*pair) for pair in BROADCAST), case(r(3, 2), 1.5), case(r(2, 3, 3, 5), r(2, 3, 1, 1))],
    "aten.mul.Scalar": [case(r(3, 2), 1.5)],
    "aten.div.Tensor": [
        case(r(3, 4), positive(3, 4)),
        case(r(2, 3, 4), positive(3, 1)),
        case(r(3, 1), positive(2, 1, 5)),
        case(r(3, 2), 1.5),
    ],
    "aten.div.Scalar": [case(r(3, 2), 1.5)],
    "aten.maximum.default": [case(r(2, 3, 4), r(3, 1)), case(r(3), r(2, 3))],
    "aten.minimum.default": [case(r(2, 3, 4), r(3, 1)), case(r(3), r(2, 3))],
    "aten.where.self": [
        case(torch.tensor([[True], [False], [True]]), r(3, 4), r(4)),
        case(torch.tensor([True, False]), r(2), r(2, 2)),
    ],
    "aten.where.ScalarOther": [case(torch.tensor([[True], [False], [True]]), r(3, 4), 0.5)],
    "aten.where.ScalarSelf": [case(torch.tensor([True, False]), 1.5, r(2, 2)), case(torch.ones(2, 3) > 0, 2, r(3))],
    "aten.masked_fill.Scalar": [
        case(r(2, 3), torch.tensor([[True], [False]]), 0.5),
        case(r(3), torch.tensor([True]), 2),
    ],
    "aten.neg.default": unary(),
    "aten.pow.Tensor_Scalar": [case(positive(3, 4), p) for p in (0.75, 2, -1.5, 1, 0)] + [case(r(3, 5), 3)],
    "aten.pow.Scalar": [case(2.0, r(3, 4)), case(0.5, r())],
    "aten.square.default": unary(),
    "aten.exp.default": unary(),
    "aten.log.default": [case(positive(3, 5))],
    "aten.log1p.default": [case(positive(3, 5))],
    "aten.expm1.default": unary(),
    "aten.sqrt.default": [case(positive(3, 5))],
    "aten.rsqrt.default": [case(positive(3, 5))],
    "aten.reciprocal.default": [case(positive(3, 5))],
    "aten.abs.default": unary(),
    "aten.sin.default": unary(),
    "aten.cos.default": unary(),
    "aten.clamp.default": [case(r(3, 5), -0.3), case(r(3, 5), -0.3, 0.6), case(r(3, 5), None, 0.2)],
    "aten.clamp_min.default": [case(r(3, 5), -0.3)],
}

ROW_MASKED = torch.tensor([[True, True, False, True, True], [False] * 5, [True] * 5])
"""Which keys each query sees; the second one sees none."""
ADDED_MASK = torch.zeros(3, 5, dtype=torch.float64).masked_fill(~ROW_MASKED, -math.inf)

PRODUCTS = {
    "aten.linear.default": [
        case(r(3, 5), r(4, 5), r(4)),
        case(r(2, 3, 5), r(4, 5)),
        case(r(5), r(4, 5), r(4)),
        case(r(2, 2, 3, 5), r(1, 5), r(1)),
    ],
    "aten.matmul.default": [
        case(r(3, 5), r(5, 2)),
        case(r(2, 3, 5), r(5, 2)),
        case(r(2, 3, 5), r(2, 5, 2)),
        case(r(4, 1, 3, 2), r(3, 2, 5)),
        case(r(3, 5), r(5)),
        case(r(5), r(5, 3)),
        case(r(5), r(5)),
        case(r(2, 3, 5), r(5)),
        case(r(5), r(2, 5, 3)),
    ],
    "aten.einsum.default": [
        case("bchw,dc->bdhw", [r(2, 3, 2, 2), r(4, 3)]),
        case("bgid, bgjd -> bgij", [r(2, 1, 3, 4), r(2, 1, 5, 4)]),
        case("ij,jk->k", [r(2, 3), r(3, 4)]),
        case("dc,bc", [r(2, 3), r(4, 3)]),
        case("...c,dc->...d", [r(2, 3, 4), r(5, 4)]),
        case("...ij,...jk", [r(2, 1, 3, 4), r(5, 4, 2)]),
    ],
    "aten.bilinear.default": [
        case(r(3, 2), r(3, 4), r(5, 2, 4), r(5)),
        case(r(2, 3, 2), r(2, 3, 4), r(1, 2, 4)),
        case(r(2), r(3), r(4, 2, 3), r(4)),
    ],
    "aten.mm.default": [case(r(3, 5), r(5, 2))],
    "aten.bmm.default": [case(r(2, 3, 5), r(2, 5, 2))],
    "aten.mv.default": [case(r(3, 5), r(5))],
    "aten.dot.default": [case(r(5), r(5))],
    "aten.addmm.default": [case(r(2), r(3, 5), r(5, 2)), case(r(3, 2), r(3, 5), r(5, 2), beta=0.5, alpha=2)],
    "aten.baddbmm.default": [
        case(r(2, 1, 4), r(2, 3, 5), r(2, 5, 4)),
        case(r(4), r(2, 3, 5), r(2, 5, 4), beta=0.5, alpha=2),
    ],
    "aten.scaled_dot_product_attention.default": [
        case(r(2, 3, 5, 4), r(2, 3, 5, 4), r(2, 3, 5, 4)),
        case(r(1, 2, 3, 4), r(1, 2, 5, 4), r(1, 2, 5, 4), scale=0.3),
        case(r(1, 2, 3, 4), r(1, 2, 5, 4), r(1, 2, 5, 3)),
        case(r(1, 2, 4, 3), r(1, 2, 4, 3), r(1, 2, 4, 3), None, 0.0, True),
        case(r(2, 3, 4), r(2, 5, 4), r(2, 5, 4)),
        case(r(2, 1, 3, 4), r(2, 1, 3, 4), r(2, 1, 3, 4), r(3, 3)),
        case(r(2, 2, 3, 4), r(2, 2, 3, 4), r(2, 2, 3, 4), r(1, 2, 3, 3)),
        case(r(2, 3, 4), r(2, 3, 4), r(2, 3, 4), torch.ones(3, 3, dtype=torch.bool).tril()),
        case(r(2, 3, 4), r(2, 5, 4), r(2, 5, 4), ROW_MASKED),
        Case((r(2, 3, 4), r(2, 5, 4), r(2, 5, 4), ADDED_MASK), dtypes=(torch.float64,)),
        case(r(2, 1, 3, 4), r(2, 1, 3, 4), r(2, 1, 3, 4), None, 0.3),
        case(r(2, 1, 3, 4), r(2, 1, 3, 4), r(2, 1, 3, 4), None, 0.3, True),
    ],
    "aten.embedding.default": [
        case(r(7, 3), classes(7, 4, 2)),
        case(r(5, 3), classes(5, 9), 2),
        case(r(3, 2), classes(3, 8), -1, True),
    ],
}

CONVOLUTION = {
    "aten.conv1d.default": [
        case(r(2, 3, 7), r(4, 3, 3)),
        case(r(2, 4, 9), r(6, 2, 2), r(6), [2], [1], [3], 2),
        case(r(3, 7), r(4, 3, 3), r(4)),
    ],
    "aten.conv2d.default": [
        case(r(2, 3, 5, 6), r(4, 3, 3, 2), r(4)),
        case(r(2, 3, 7, 5, channels_last=True), r(4, 3, 3, 3, channels_last=True), None, [2, 1], [1, 2]),
        case(r(2, 4, 6, 5), r(4, 1, 2, 2), r(4), [1, 1], [1, 0], [2, 1], 4),
        case(r(2, 3, 5, 4), r(2, 3, 1, 1), None, [2]),
        case(r(3, 5, 4), r(2, 3, 2, 2)),
    ],
    "aten.conv3d.default": [
        case(r(1, 2, 3, 4, 3), r(2, 2, 2, 3, 1), r(2)),
        case(r(1, 2, 4, 3, 3), r(2, 1, 2, 2, 2), None, [2, 1, 1], [1, 0, 1], [1, 2, 1], 2),
    ],
    "aten.conv1d.padding": [case(r(2, 3, 7), r(4, 3, 2), r(4), [1], "same", [3]), case(r(2, 3, 7), r(4, 3, 2))],
    "aten.conv2d.padding": [
        case(r(2, 3, 5, 4), r(2, 3, 3, 2), None, [1, 1], "same"),
        case(r(2, 3, 5, 4), r(2, 3, 3, 3), r(2), [1, 1], "same"),
        case(r(2, 3, 5, 4), r(2, 3, 3, 3), r(2), [2, 1], "valid"),
    ],
    "aten.conv3d.padding": [case(r(1, 2, 3, 4, 3), r(2, 2, 2, 3, 1), r(2), [1, 1, 1], "same")],
    "aten.conv_transpose1d.default": [
        case(r(2, 3, 5), r(3, 2, 3)),
        case(r(2, 4, 5), r(4, 1, 3), r(2), [3], [1], [1], 2, [2]),
    ],
    "aten.conv_transpose2d.input": [
        case(r(2, 3, 3, 4), r(3, 2, 2, 3), r(2)),
        case(r(2, 4, 3, 4), r(4, 1, 3, 2), r(2), [2, 3], [1, 0], [1, 2], 2, [1, 2]),
        case(r(3, 3, 4), r(3, 2, 2, 2)),
    ],
    "aten.conv_transpose3d.input": [case(r(1, 2, 2, 3, 2), r(2, 1, 2, 2, 1), r(1), [2, 1, 1])],
}

WITHOUT_BFLOAT16 = (torch.float64, torch.float32)  # torch has no such kernel on CPUs

INDICES = torch.tensor([[[[0, 9], [11, 2]], [[4, 3], [19, 12]]]])
"""Places of two channels of 4 x 5, none twice."""

POOLING = {
    "aten.max_pool1d.default": [case(r(2, 3, 9), [2]), case(r(2, 3, 9), [3], [2], [1], [2], True), case(r(3, 9), [2])],
    "aten.max_pool2d.default": [
        case(r(2, 3, 5, 6), [2, 3]),
        case(r(2, 3, 7, 6, channels_last=True), [3], [2], [1]),
        case(r(2, 2, 7, 6), [3, 2], [2, 2], [1, 1], [2, 1], True),
        case(r(3, 5, 4), [2, 2]),
    ],
    "aten.max_pool2d_with_indices.default": [
        case(r(2, 3, 5, 6), [2, 3]),
        case(r(2, 3, 7, 6, channels_last=True), [3], [2], [1]),
        case(r(2, 2, 7, 5), [2, 2], [2, 2], [0, 0], [1, 1], True),
        case(r(3, 5, 4), [2, 2]),
    ],
    "aten.max_unpool2d.default": [
        case(r(1, 2, 2, 2), INDICES, [4, 5]),
        case(r(1, 2, 2, 2, channels_last=True), INDICES, [5, 4]),
        case(r(2, 2, 2), INDICES[0], [4, 5]),
    ],
    "aten.max_pool3d.default": [case(r(1, 2, 4, 3, 5), [2, 2, 2]), case(r(1, 2, 4, 3, 5), [2], [1], [1])],
    "aten.avg_pool1d.default": [
        case(r(2, 3, 9), [2]),
        case(r(2, 3, 9), [3], [2], [1], True, False),
        case(r(3, 9), [2]),
    ],
    "aten.avg_pool2d.default": [
        case(r(2, 3, 5, 6), [2, 3]),
        case(r(2, 3, 7, 6, channels_last=True), [3, 3], [2, 2], [1, 1]),
        case(r(2, 2, 7, 6), [3, 2], [2, 2], [1, 1], True, False),
        case(r(2, 2, 4, 4), [2, 2], [2, 2], [0, 0], False, True, 3),
    ],
    "aten.avg_pool3d.default": [
        Case((r(1, 2, 4, 3, 5), [2, 2, 2]), dtypes=WITHOUT_BFLOAT16),
        Case((r(1, 2, 4, 3, 5), [2], [1], [1]), dtypes=WITHOUT_BFLOAT16),
    ],
    "aten.adaptive_avg_pool1d.default": [case(r(2, 3, 7), [3]), case(r(2, 3, 7), [1]), case(r(2, 3, 6), [2])],
    "aten.adaptive_avg_pool2d.default": [
        case(r(2, 3, 5, 7), [3, 2]),
        case(r(2, 3, 5, 4), [1, 1]),
        case(r(2, 3, 5, 4), [1, 4]),
    ],
    "aten.adaptive_avg_pool3d.default": [case(r(1, 2, 3, 4, 5), [2, 3, 1]), case(r(1, 2, 3, 2, 2), [1, 1, 1])],
    "aten.adaptive_max_pool1d.default": [case(r(2, 3, 7), [3]), case(r(2, 3, 6), [2])],
    "aten.adaptive_max_pool2d.default": [case(r(2, 3, 5, 7), [3, 2]), case(r(2, 3, 5, 4), [1, 1])],
    "aten.adaptive_max_pool3d.default": [case(r(1, 2, 3, 4, 5), [2, 3, 1])],
    "aten.upsample_nearest2d.vec": [case(r(1, 2, 3, 4), None, [2.0, 2.0]), case(r(1, 2, 3, 4), [5, 7], None)],
    "aten.upsample_bilinear2d.vec": [
        case(r(1, 2, 3, 4), None, False, [2.0, 1.5]),
        case(r(1, 2, 3, 4), [5, 7], True, None),
        case(r(1, 2, 3, 4), [2, 2], False, None),
    ],
    "aten.upsample_bicubic2d.vec": [
        case(r(1, 2, 3, 4), None, False, [2.0, 2.0]),
        case(r(1, 2, 3, 4), [5, 7], True, None),
    ],
}

STATISTICS = (r(3, constant=True), constant(3))

NORMALIZATION = {
    "aten.batch_norm.default": [
        case(r(3, 3, 2, 2), r(3), r(3), *STATISTICS, True, 0.1, 1e-5, True),
        case(r(3, 3, 2, 2, channels_last=True), r(3), r(3), *STATISTICS, False, 0.1, 1e-3, True),
        case(r(3, 3, 4), None, None, *STATISTICS, True, 0.1, 1e-5, False),
        case(r(3, 3, 4), None, None, *STATISTICS, False, 0.1, 1e-5, False),
        case(r(5, 3), r(3), r(3), None, None, True, 0.1, 1e-5, False),
        case(r(2, 3, 2, 1, 3), r(3), r(3), *STATISTICS, True, 0.1, 1e-5, False),
    ],
    "aten.instance_norm.default": [
        case(r(2, 3, 4, 2), r(3), r(3), None, None, True, 0.1, 1e-5, False),
        case(r(2, 3, 4, 2, channels_last=True), r(3), r(3), *STATISTICS, True, 0.1, 1e-3, False),
        case(r(2, 3, 5), None, None, None, None, True, 0.1, 1e-5, False),
        case(r(2, 3, 5), r(3), r(3), *STATISTICS, False, 0.1, 1e-5, False),
        case(r(1, 2, 2, 3, 2), None, None, None, None, True, 0.1, 1e-5, False),
    ],
    "aten.layer_norm.default": [
        case(r(2, 3, 5), [5], r(5), r(5)),
        case(r(2, 3, 5), [3, 5], r(3, 5), None, 1e-3),
        case(r(3, 5), [5]),
    ],
    "aten.rms_norm.default": [
        case(r(2, 3, 5), [5], r(5)),
        case(r(2, 3, 5), [3, 5], r(3, 5), 1e-3),
        case(r(3, 5), [5]),
        case(r(5), [5], r(5)),
    ],
    "aten.group_norm.default": [
        case(r(2, 4, 3, 2), 2, r(4), r(4)),
        case(r(2, 4, 3, 2, channels_last=True), 4, r(4), r(4), 1e-3),
        case(r(2, 6, 3), 3),
    ],
}

DISPERSION = [case(r(2, 3, 4), [1]), case(r(2, 3, 4, 2), [2, 3], False, True), case(r(2, 3), None, False)]
CORRECTED = [case(r(2, 3)), case(r(2, 3, 4), [-1, 0], correction=0, keepdim=True), case(r(2, 5), [1], correction=2)]

REDUCTION = {
    **{
        f"aten.{name}.default": [case(r(2, 3, 4), [1]), case(r(2, 3, 4, 2), [2, 3], True), case(r(2, 3))]
        for name in ("amax", "amin")
    },
    **{f"aten.{name}.default": [case(r(2, 3)), case(r())] for name in ("max", "min")},
    **{f"aten.{name}.dim": [case(r(2, 3, 4), 1), case(r(2, 3), -1, True), case(r(4), 0)] for name in ("max", "min")},
    **{f"aten.{name}.default": [case(r(2, 3)), case(r(2, 3), False)] for name in ("std", "var")},
    **{f"aten.{name}.dim": DISPERSION for name in ("std", "var")},
    **{f"aten.{name}.correction": CORRECTED for name in ("std", "var")},
    "aten.linalg_vector_norm.default": [
        case(r(2, 3, 4), 2, [1], True),
        case(r(2, 3)),
        *(case(r(2, 3, 4), order, [-1]) for order in (1, 3, 2.5, 0.5, math.inf, -math.inf)),
        case(r(3, 4), 2, [1], dtype=torch.float64),
    ],
    "aten.sum.default": [case(r(2, 3)), case(r())],
    "aten.mean.default": [case(r(2, 3)), case(r())],
    "aten.sum.dim_IntList": [
        case(r(2, 3, 4), [1]),
        case(r(2, 3, 4), [-1, 0], True),
        case(r(2, 3), None),
        case(r(2, 3), []),
    ],
    "aten.mean.dim": [case(r(2, 3, 4, 2), [2, 3], True), case(r(2, 3, 4), [-1, 0]), case(r(2, 3), None)],
}

SHAPE = {
    "aten.view.default": [case(r(2, 3, 4), [2, -1]), case(r(2, 6), [2, 2, 3])],
    "aten.reshape.default": [case(r(2, 3, 4), [4, 6])],
    "aten.view_as.default": [case(r(2, 3, 4), constant(2, 12)), case(r(2, 3), constant(2, 3))],
    "aten.reshape_as.default": [case(r(2, 3, 4), constant(4, 6))],
    "aten.flatten.using_ints": [case(r(2, 3, 4), 1), case(r(2, 3, 4)), case(r(2, 3, 4, 2), 1, 2)],
    "aten.unflatten.int": [case(r(2, 6), 1, [3, 2]), case(r(2, 6), -1, [2, -1])],
    "aten.squeeze.default": [case(r(2, 1, 3, 1))],
    "aten.squeeze.dim": [case(r(2, 1, 3), 1), case(r(2, 1, 3), 0)],
    "aten.squeeze.dims": [case(r(2, 1, 3, 1), [1, 3])],
    "aten.unsqueeze.default": [case(r(2, 3), 1), case(r(2, 3), -1)],
    "aten.contiguous.default": [case(r(2, 3))],
    "aten.clone.default": [case(r(2, 3)), case(r(2, 3, 2, 2), memory_format=torch.channels_last)],
    "aten.alias.default": [case(r(2, 3))],
    "aten.lift_fresh_copy.default": [case(r(2, 3))],
    "aten.permute.default": [case(r(2, 3, 4), [2, 0, 1]), case(r(2, 3, 2, 2), [0, -2, -1, 1])],
    "aten.transpose.int": [case(r(2, 3, 4), 1, 2), case(r(2, 3, 4), -1, 0)],
    "aten.swapaxes.default": [case(r(2, 3, 4), 1, 2)],
    "aten.mT.default": [case(r(2, 3, 4))],
    "aten.t.default": [case(r(2, 3)), case(r(3))],
    "aten.numpy_T.default": [case(r(2, 3))],
    "aten.movedim.int": [case(r(2, 3, 4), 1, -1), case(r(2, 3, 4), 2, 0)],
    "aten.expand.default": [case(r(1, 3, 1), [4, -1, 2]), case(r(3), [2, 3]), case(r(2, 3), [2, 3])],
    "aten.expand_as.default": [case(r(1, 3, 1), constant(4, 3, 2))],
    "aten.repeat.default": [case(r(2, 3), [2, 1, 3]), case(r(3), [2])],
    "aten.slice.Tensor": [
        case(r(4, 7), 1, 1, 6, 2),
        case(r(4, 7), 0, 0, 9223372036854775807),
        case(r(4, 7), 1, -3),
        case(r(4, 7)),
    ],
    "aten.narrow.default": [case(r(4, 7), 1, 2, 3)],
    "aten.select.int": [case(r(2, 3, 4), 1, 2), case(r(2, 3), 0, -1)],
    "aten.pad.default": [
        case(r(2, 3, 4), [2, 0]),
        case(r(2, 3, 4), [1, 2, 0, 1], "constant", 0.5),
        case(r(2, 3, 5), [-1, 2]),
        case(r(2, 3, 4, 4), [0, 0, 0, 0, 2, 1]),
        case(r(2, 3, 4, 4), [1, 2, 2, 1], "reflect"),
        case(r(2, 3, 4), [1, 2], "replicate"),
        case(r(2, 3, 4), [1, 2], "circular"),
    ],
    "aten.flip.default": [case(r(2, 3, 4), [0, 2])],
    "aten.roll.default": [case(r(3, 4), [1], [1]), case(r(3, 4), [1, -2], [0, 1]), case(r(3, 4), [2])],
    "aten.pixel_shuffle.default": [case(r(1, 8, 2, 3), 2)],
    "aten.pixel_unshuffle.default": [case(r(1, 2, 4, 6), 2)],
    "aten.channel_shuffle.default": [case(r(2, 6, 2, 2), 3)],
    "aten.slice_scatter.default": [
        case(r(4, 7), r(4, 3), 1, 1, 6, 2),
        case(r(4, 7), r(2, 7), 0, 2, 9223372036854775807),
        case(r(4, 7), r(4, 3), 1, -3),
        case(r(4, 7), r(4, 7)),
    ],
    "aten.select_scatter.default": [case(r(2, 3, 4), r(2, 4), 1, 2), case(r(2, 3), r(3), 0, -1)],
    "aten.diagonal.default": [case(r(3, 4)), case(r(2, 3, 4), 1, 1, 2), case(r(2, 3, 4), -1, 2, 0)],
    "aten.diagonal_scatter.default": [case(r(3, 4), r(3)), case(r(2, 3, 4), r(2, 3), 1, 1, 2)],
    "aten.index_put.default": [
        case(r(4, 3), [None, torch.tensor([2, 0])], r(4, 2)),
        case(r(4, 3), [torch.tensor([[1, 0], [3, 2]])], r(3)),
        case(r(4, 3), [torch.tensor([1, 1])], r(2, 3), True),
        case(r(4, 3), [torch.eye(4, 3, dtype=torch.bool)], r()),
    ],
    "aten.index.Tensor": [
        case(r(4, 3), [None, torch.tensor([2, 0, 2])]),
        case(r(4, 3), [torch.tensor([[1, 1], [3, 0]])]),
        case(r(4, 3, 2), [torch.tensor([1, 1]), torch.tensor([2, 0])]),
    ],
}

WIRING = {
    "aten.cat.default": [case([r(2, 3, 4), r(2, 1, 4), r(2, 2, 4)], 1), case([r(2, 3), r(1, 3)]), case([r(2, 3)], -1)],
    "aten.stack.default": [case([r(2, 3), r(2, 3)]), case([r(2, 3), r(2, 3), r(2, 3)], -1)],
    "aten.split.Tensor": [case(r(2, 5), 2, 1), case(r(4, 2), 2)],
    "aten.split_with_sizes.default": [case(r(2, 5), [1, 4], 1)],
    "aten.chunk.default": [case(r(2, 6), 3, 1), case(r(5, 2), 2)],
    "aten.unbind.int": [case(r(3, 2)), case(r(2, 3, 2), 1)],
    "aten.broadcast_tensors.default": [case([r(2, 3), r(3)]), case([r(2, 1), r(1, 3), r()])],
    "aten.to.dtype": [case(r(2, 3), torch.float64), case(r(2, 3), torch.float64, False, True)],
    "aten.to.dtype_layout": [
        case(r(2, 3), dtype=torch.float64),
        case(r(2, 3, 2, 2), memory_format=torch.channels_last),
    ],
    "aten.type_as.default": [case(r(2, 3), torch.zeros(1, dtype=torch.float64))],
    "aten.to.device": [case(r(2, 3), torch.device("cpu"), torch.float64)],
}

PAIRS = [(r(3, 4), r(3, 4)), (r(5), r(5))]

LOSS = {
    "aten.mse_loss.default": [case(*PAIRS[0]), case(*PAIRS[1], 2), case(*PAIRS[0], 0), case(r(), r())],
    "aten.l1_loss.default": [case(*PAIRS[0]), case(*PAIRS[1], 2), case(*PAIRS[0], 0)],
    "aten.smooth_l1_loss.default": [case(*PAIRS[0]), case(*PAIRS[1], 2, 0.5), case(*PAIRS[0], 0, 2.0)],
    "aten.huber_loss.default": [case(*PAIRS[0]), case(*PAIRS[1], 2, 0.5), case(*PAIRS[0], 0, 2.0)],
    "aten.binary_cross_entropy_with_logits.default": [
        case(r(3, 4), probabilities(3, 4)),
        case(r(3, 4), probabilities(3, 4), constant(4), constant(3, 4), 2),
        case(r(3, 4), probabilities(3, 4), None, constant(4), 0),
        case(r(5), probabilities(5), constant(5)),
    ],
    "aten.binary_cross_entropy.default": [
        case(probabilities(3, 4), probabilities(3, 4)),
        case(probabilities(3, 4), probabilities(3, 4), constant(4), 0),
        case(probabilities(5), probabilities(5), None, 2),
    ],
    "aten.cross_entropy_loss.default": [
        case(r(4, 5), classes(5, 4)),
        case(r(4, 5), classes(5, 4), constant(5), 1, 2, 0.1),
        case(r(4, 5), classes(5, 4), constant(5), 0, -100, 0.2),
        case(r(2, 5, 3, 2), classes(5, 2, 3, 2), None, 2),
        case(r(2, 5, 3), classes(5, 2, 3), constant(5), 0, 3, 0.1),
        case(r(4, 5), probabilities(4, 5)),
        case(r(2, 5, 3), probabilities(2, 5, 3), constant(5), 0, -100, 0.1),
        case(r(5), torch.tensor(2)),
    ],
    "aten.nll_loss.default": [case(r(4, 5), classes(5, 4)), case(r(4, 5), classes(5, 4), constant(5), 2, 1)],
    "aten.nll_loss_nd.default": [
        case(r(4, 5), classes(5, 4)),
        case(r(4, 5), classes(5, 4), constant(5), 1, 2),
        case(r(2, 5, 3, 2), classes(5, 2, 3, 2), None, 0),
        case(r(2, 5, 3), classes(5, 2, 3), constant(5), 1, 2),
        case(r(5), torch.tensor(2)),
    ],
}

CASES: dict[str, list[Case]] = {
    **ACTIVATION,
    **ELEMENTWISE,
    **PRODUCTS,
    **CONVOLUTION,
    **POOLING,
    **NORMALIZATION,
    **REDUCTION,
    **SHAPE,
    **WIRING,
    **LOSS,
}
