"""Batch, layer, group and instance normalization, by torch's kernels.

Legend: û = (u - μ) / σ, y = γ û + β. The definition that the kernels must equal stands in normalization_definition.py.
"""

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

import torch
from torch import Tensor

from convlens.ops.dense import diagonal, selection_of
from convlens.ops.normalization_definition import normalize, normalize_tensor
from convlens.ops.record import (
    POINTWISE,
    WHOLE_INPUT,
    Backward,
    Gradients,
    Local,
    Needs,
    Reads,
    Seen,
    Shape,
    only_wanted,
    operator,
    whole_along,
)

aten = torch.ops.aten

TRAINING_FORMULA = (
    "û = (u - μ) / √(σ² + ε), y = γ û + β, {statistics};  with g = γ ∂J/∂y: "
    "∂J/∂u = (g - mean(g) - û mean(g û)) / √(σ² + ε),  "
    "∂J/∂γ = Σ ∂J/∂y û,  ∂J/∂β = Σ ∂J/∂y"
)
TRAINING_LATEX = (
    r"\hat u = \frac{u - \mu}{\sqrt{\sigma^2 + \varepsilon}},\ y = \gamma \hat u + \beta, \quad "
    r"\frac{\partial J}{\partial u} = \frac{g - \overline{g} - \hat u\,\overline{g \hat u}}"
    r"{\sqrt{\sigma^2 + \varepsilon}},\ g = \gamma \frac{\partial J}{\partial y}, \quad "
    r"\frac{\partial J}{\partial \gamma} = \sum \frac{\partial J}{\partial y} \hat u, \quad "
    r"\frac{\partial J}{\partial \beta} = \sum \frac{\partial J}{\partial y}"
)


def _slots(needs: Needs, *tensors: Tensor | None) -> list[bool]:
    """What is needed of each argument, False for those that are None."""
    remaining = iter(needs)
    return [tensor is not None and next(remaining) for tensor in tensors]


def _present(gradients: Sequence[Any], *tensors: Tensor | None) -> Gradients:
    """The gradients of those arguments that are not None."""
    return tuple(gradient for gradient, tensor in zip(gradients, tensors, strict=True) if tensor is not None)


def _reads_all(needs: Needs) -> Reads:
    """The input with its statistics and the scale; the shift is too small to be worth leaving out."""
    return Reads(tuple(range(len(needs))))


def _role(wrt: int, *tensors: Tensor | None) -> int:
    """Which argument the tensor input number `wrt` is, counting those that are None."""
    return [position for position, tensor in enumerate(tensors) if tensor is not None][wrt]


def _affine_tensor(role: int, parameter: Tensor, place: Callable[[Tensor], Tensor], normalized: Tensor) -> Tensor:
    """∂y/∂γ = û where the element uses this γ, ∂y/∂β = 1 there; `place` lays a parameter out over the input."""
    chosen = selection_of(parameter, place)
    return chosen if role == 2 else normalized.reshape(*normalized.shape, *(1,) * parameter.ndim) * chosen


# Batch normalization: statistics over the batch and all places, for each channel


def _per_channel(u: Tensor) -> Callable[[Tensor], Tensor]:
    return lambda parameter: parameter.reshape(1, -1, *(1,) * (u.ndim - 2)).expand(u.shape)


def _batch_norm(
    u: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    training: bool,
    momentum: float,
    eps: float,
    cudnn: bool,
) -> tuple[Tensor, Any]:
    """The output, and the statistics that the kernel used; running statistics are not updated."""
    kept = (None, None) if training else (running_mean, running_var)
    return _updating_batch_norm(u, weight, bias, *kept, training, momentum, eps, cudnn)


def _updating_batch_norm(*args: Any) -> tuple[Tensor, Any]:
    """The same; in training mode the kernel moves the running statistics towards those of the batch."""
    y, *saved = aten._batch_norm_impl_index(*args)
    return y, saved


def _batch_norm_gradient(
    back: Backward,
    u: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    training: bool,
    momentum: float,
    eps: float,
    cudnn: bool,
) -> Gradients:
    tensors = (u, weight, bias, running_mean, running_var)
    kept = (None, None) if training else (running_mean, running_var)
    mean, inverse, reserve, kernel = back.saved
    mask = _slots(back.needs, *tensors)[:3]
    gradients = aten._batch_norm_impl_index_backward(
        kernel, u, back.upstream, weight, *kept, mean, inverse, training, eps, mask, reserve
    )
    return _present((*only_wanted(gradients, mask), None, None), *tensors)


def _batch_norm_local_gradient(
    local: Local,
    u: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    training: bool,
    momentum: float,
    eps: float,
    cudnn: bool,
) -> Tensor:
    role = _role(local.wrt, u, weight, bias, running_mean, running_var)
    place = _per_channel(u)
    if training:
        normalized, inverse = normalize(u, [0, *range(2, u.ndim)], eps)
    else:
        assert running_mean is not None
        assert running_var is not None
        inverse = place(1 / torch.sqrt(running_var + eps))
        normalized = (u - place(running_mean)) * inverse
    scale = torch.ones_like(u) if weight is None else place(weight)
    if role == 0 and training:
        return normalize_tensor(normalized, inverse, scale, place(torch.arange(u.shape[1])))
    if role == 0:
        return diagonal(scale * inverse)
    parameter = weight if role == 1 else bias
    assert parameter is not None
    return _affine_tensor(role, parameter, place, normalized)


def _batch_norm_window(_output: Shape, *args: Any) -> Seen:
    return WHOLE_INPUT if args[5] else POINTWISE


BATCH_NORM = operator(
    "aten.batch_norm.default",
    _batch_norm,
    _batch_norm_gradient,
    _batch_norm_local_gradient,
    structure="normalization",
    formula=TRAINING_FORMULA.format(
        statistics="in training with mean μ and variance σ² of the channel over the batch and all places"
    )
    + ".  Otherwise μ and σ² are the running statistics, constants: ∂J/∂u = g / √(σ² + ε)",
    latex=TRAINING_LATEX,
    reads=_reads_all,
    window=_batch_norm_window,
    updating_forward=_updating_batch_norm,
)


# Layer normalization: statistics over the last axes, for each sample and place


def _layer_norm(
    u: Tensor,
    shape: Any,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
    cudnn: bool = True,
) -> tuple[Tensor, Any]:
    y, mean, inverse = aten.native_layer_norm(u, shape, weight, bias, eps)
    return y, (mean, inverse)


def _layer_norm_gradient(
    back: Backward,
    u: Tensor,
    shape: Any,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
    cudnn: bool = True,
) -> Gradients:
    tensors = (u, weight, bias)
    mask = _slots(back.needs, *tensors)
    gradients = aten.native_layer_norm_backward(back.upstream, u, shape, *back.saved, weight, bias, mask)
    return _present(only_wanted(gradients, mask), *tensors)


def _layer_norm_local_gradient(
    local: Local,
    u: Tensor,
    shape: Any,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
    cudnn: bool = True,
) -> Tensor:
    role = _role(local.wrt, u, weight, bias)
    normalized, inverse = normalize(u, [*range(-len(shape), 0)], eps)
    if role == 0:
        scale = torch.ones_like(u) if weight is None else weight.expand(u.shape)
        blocks = torch.arange(prod(u.shape[: -len(shape)])).reshape(*u.shape[: -len(shape)], *(1,) * len(shape))
        return normalize_tensor(normalized, inverse.expand(u.shape), scale, blocks.expand(u.shape))
    parameter = weight if role == 1 else bias
    assert parameter is not None
    return _affine_tensor(role, parameter, lambda values: values.expand(u.shape), normalized)


LAYER_NORM = operator(
    "aten.layer_norm.default",
    _layer_norm,
    _layer_norm_gradient,
    _layer_norm_local_gradient,
    structure="normalization",
    formula=TRAINING_FORMULA.format(statistics="mean μ and variance σ² of each sample and place over the last axes"),
    latex=TRAINING_LATEX,
    reads=_reads_all,
    window=lambda _output, u, shape, *_: whole_along(len(u), range(-len(shape), 0), kept=True),
)


# Group normalization: statistics over a group of channels and all places, for each sample


def _sizes(u: Tensor) -> tuple[int, int, int]:
    """Samples, channels, places."""
    return u.shape[0], u.shape[1], prod(u.shape[2:])


def _group_norm(
    u: Tensor,
    num_groups: int,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
    cudnn: bool = True,
) -> tuple[Tensor, Any]:
    y, mean, inverse = aten.native_group_norm(_dense(u), weight, bias, *_sizes(u), num_groups, eps)
    return y, (mean, inverse)


def _dense(u: Tensor) -> Tensor:
    """u in contiguous or channels-last memory, as the kernel demands."""
    if u.ndim == 4 and u.is_contiguous(memory_format=torch.channels_last):
        return u
    return u.contiguous()


def _group_norm_gradient(
    back: Backward,
    u: Tensor,
    num_groups: int,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
    cudnn: bool = True,
) -> Gradients:
    tensors = (u, weight, bias)
    mask = _slots(back.needs, *tensors)
    asked = [True, *mask[1:]]  # without the input's gradient, torch 2.13 crashes on channels-last inputs
    u = _dense(u)
    layout = torch.contiguous_format if u.is_contiguous() else torch.channels_last
    gradients = aten.native_group_norm_backward(
        back.upstream.contiguous(memory_format=layout), u, *back.saved, weight, *_sizes(u), num_groups, asked
    )
    return _present(only_wanted(gradients, mask), *tensors)


def _group_norm_local_gradient(
    local: Local,
    u: Tensor,
    num_groups: int,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
    cudnn: bool = True,
) -> Tensor:
    role = _role(local.wrt, u, weight, bias)
    place = _per_channel(u)
    grouped = u.reshape(u.shape[0], num_groups, -1)
    normalized, inverse = (x.expand(grouped.shape).reshape(u.shape) for x in normalize(grouped, [2], eps))
    if role == 0:
        scale = torch.ones_like(u) if weight is None else place(weight)
        blocks = torch.arange(u.shape[0] * num_groups).reshape(u.shape[0], num_groups, 1)
        return normalize_tensor(normalized, inverse, scale, blocks.expand(grouped.shape).reshape(u.shape))
    parameter = weight if role == 1 else bias
    assert parameter is not None
    return _affine_tensor(role, parameter, place, normalized)


GROUP_NORM = operator(
    "aten.group_norm.default",
    _group_norm,
    _group_norm_gradient,
    _group_norm_local_gradient,
    structure="normalization",
    formula=TRAINING_FORMULA.format(
        statistics="mean μ and variance σ² of each sample over a group of channels and all places"
    ),
    latex=TRAINING_LATEX,
    reads=_reads_all,
    window=WHOLE_INPUT,
)


# Instance normalization: statistics over the places of each sample and channel, each channel a group of its own


def _instance_norm(
    u: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    own: bool,
    momentum: float,
    eps: float,
    cudnn: bool,
) -> tuple[Tensor, Any]:
    """The output, and the statistics: the input's own, or the running ones, which are not updated."""
    if own:
        return _group_norm(u, u.shape[1], weight, bias, eps)
    return _batch_norm(u, weight, bias, running_mean, running_var, False, momentum, eps, cudnn)


def _updating_instance_norm(*args: Any) -> tuple[Tensor, Any]:
    """The same, after torch's own operator has moved the running statistics."""
    aten.instance_norm(*args)
    return _instance_norm(*args)


def _instance_norm_gradient(
    back: Backward,
    u: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    own: bool,
    momentum: float,
    eps: float,
    cudnn: bool,
) -> Gradients:
    statistics = (running_mean, running_var)
    if own:
        gradients = _group_norm_gradient(back, u, u.shape[1], weight, bias, eps)
        return (*gradients, *_present((None, None), *statistics))
    return _batch_norm_gradient(back, u, weight, bias, *statistics, False, momentum, eps, cudnn)


def _instance_norm_local_gradient(
    local: Local,
    u: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    own: bool,
    momentum: float,
    eps: float,
    cudnn: bool,
) -> Tensor:
    if own:
        return _group_norm_local_gradient(local, u, u.shape[1], weight, bias, eps)
    return _batch_norm_local_gradient(local, u, weight, bias, running_mean, running_var, False, momentum, eps, cudnn)


INSTANCE_NORM = operator(
    "aten.instance_norm.default",
    _instance_norm,
    _instance_norm_gradient,
    _instance_norm_local_gradient,
    structure="normalization",
    formula=TRAINING_FORMULA.format(statistics="mean μ and variance σ² of each channel of each sample over all places")
    + ".  Where running statistics are used, these are constants: ∂J/∂u = g / √(σ² + ε)",
    latex=TRAINING_LATEX,
    reads=_reads_all,
    window=_batch_norm_window,
    updating_forward=_updating_instance_norm,
)
