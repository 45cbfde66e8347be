"""Operators with lists of tensors as input or output, and conversions of number format."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from convlens.ops.broadcasting import sum_to
from convlens.ops.dense import identity, selection_of, selections_of
from convlens.ops.record import (
    Backward,
    Gradients,
    Joined,
    Local,
    NoRule,
    Operator,
    Parted,
    Seen,
    Shape,
    operator,
    plain,
)

aten = torch.ops.aten

# Lists in: concatenation and stacking


def _cat_gradient(back: Backward, parts: Any, dim: int = 0) -> Gradients:
    """Views of the upstream gradient: nothing is copied."""
    sizes = [part.shape[dim] for part in parts]
    pieces = back.upstream.split(sizes, dim)
    return tuple(piece if needed else None for piece, needed in zip(pieces, back.needs, strict=True))


def _stack_gradient(back: Backward, parts: Any, dim: int = 0) -> Gradients:
    return tuple(piece if needed else None for piece, needed in zip(back.upstream.unbind(dim), back.needs, strict=True))


def _join_local_gradient(join: Callable[..., Tensor]) -> Any:
    def rule(local: Local, parts: Any, dim: int = 0) -> Tensor:
        def place(index: Tensor) -> Tensor:
            return join(
                [index if i == local.wrt else torch.zeros_like(part).long() for i, part in enumerate(parts)],
                dim,
            )

        return selection_of(parts[local.wrt], place)

    return rule


def _cat_window(_output: Shape, parts: Any, dim: int = 0) -> Seen:
    return Joined(dim % len(parts[0]))


CAT = operator(
    "aten.cat.default",
    plain(torch.cat),
    _cat_gradient,
    _join_local_gradient(torch.cat),
    structure="selection",
    formula="y = u, v, ... one after the other along one axis;  "
    "∂J/∂u = the part of ∂J/∂y at u's places, likewise ∂J/∂v",
    latex=r"y = [u, v, \dots], \quad \left[\frac{\partial J}{\partial u}, \frac{\partial J}{\partial v}, \dots\right] "
    r"= \frac{\partial J}{\partial y}",
    window=_cat_window,
)

STACK = operator(
    "aten.stack.default",
    plain(torch.stack),
    _stack_gradient,
    _join_local_gradient(torch.stack),
    structure="selection",
    formula="y = u, v, ... along a new axis;  ∂J/∂u = ∂J/∂y at u's place of that axis, likewise ∂J/∂v",
    latex=r"y_{0 \dots} = u,\ y_{1 \dots} = v, \quad \frac{\partial J}{\partial u} = "
    r"\left(\frac{\partial J}{\partial y}\right)_{0 \dots}",
    window=lambda output, _parts, dim=0: Joined(dim % len(output), new=True),
)


# Lists out: the upstream gradient is a tuple, None for outputs that nobody used


def _part_window(_output: Any, u: Shape, _sizes: Any = None, dim: int = 0) -> Seen:
    return Parted(dim % len(u))


def _filled(back: Backward) -> list[Tensor]:
    """The upstream gradients, with zeros for outputs that nobody used."""
    known = next(g for g in back.upstream if g is not None)
    return [
        torch.zeros(y.shape, dtype=known.dtype, device=known.device) if g is None else g
        for g, y in zip(back.upstream, back.output, strict=True)
    ]


def _parting(name: str, forward: Callable[..., Any], formula: str) -> Operator:
    return operator(
        f"aten.{name}",
        plain(forward),
        lambda back, u, sizes, dim=0: (torch.cat(_filled(back), dim),),
        lambda _, u, sizes, dim=0: selections_of(u, lambda index: forward(index, sizes, dim)),
        structure="selection",
        formula=f"{formula};  ∂J/∂u = the ∂J/∂y_k one after the other",
        latex=r"[y_1, y_2, \dots] = u, \quad \frac{\partial J}{\partial u} = "
        r"\left[\frac{\partial J}{\partial y_1}, \frac{\partial J}{\partial y_2}, \dots\right]",
        window=_part_window,
    )


SPLIT = _parting("split.Tensor", torch.split, "y_1, y_2, ... = u cut into parts of one size along an axis")
SPLIT_WITH_SIZES = _parting("split_with_sizes.default", torch.split, "y_1, y_2, ... = u cut into parts of given sizes")
CHUNK = _parting("chunk.default", torch.chunk, "y_1, y_2, ... = u cut into a number of equal parts along an axis")

UNBIND = operator(
    "aten.unbind.int",
    plain(torch.unbind),
    lambda back, u, dim=0: (torch.stack(_filled(back), dim),),
    lambda _, u, dim=0: selections_of(u, lambda index: index.unbind(dim)),
    structure="selection",
    formula="y_k = u at place k of one axis, which falls away;  ∂J/∂u = the ∂J/∂y_k along that axis",
    latex=r"y_k = u_{k \dots}, \quad \left(\frac{\partial J}{\partial u}\right)_{k \dots} = "
    r"\frac{\partial J}{\partial y_k}",
    window=lambda _output, u, dim=0: Parted(dim % len(u), removed=True),
)


def _broadcast_gradient(back: Backward, tensors: Any) -> Gradients:
    return tuple(
        sum_to(g, u.shape) if needed and g is not None else None
        for g, u, needed in zip(back.upstream, tensors, back.needs, strict=True)
    )


def _broadcast_local_gradient(local: Local, tensors: Any) -> Any:
    u = tensors[local.wrt]
    own = selection_of(u, lambda index: index.expand(local.output[0].shape))
    return tuple(own if k == local.wrt else torch.zeros_like(own) for k in range(len(tensors)))


BROADCAST_TENSORS = operator(
    "aten.broadcast_tensors.default",
    plain(aten.broadcast_tensors),
    _broadcast_gradient,
    _broadcast_local_gradient,
    structure="selection",
    formula="y_k = u_k repeated to a common shape;  ∂J/∂u_k = Σ ∂J/∂y_k over the copies",
    latex=r"y_k = \mathrm{repeat}(u_k), \quad \frac{\partial J}{\partial u_k} = \sum \frac{\partial J}{\partial y_k}",
)


def _getitem_gradient(back: Backward, values: Any, index: int) -> Gradients:
    """A single entry for the operator that made the list: its tuple of upstream gradients, None but for this item."""
    place = index % len(values)
    return (tuple(back.upstream if k == place else None for k in range(len(values))),)


GETITEM = operator(
    "python.getitem",
    plain(lambda values, index: values[index]),
    _getitem_gradient,
    NoRule("an item is the tensor itself; its local gradient belongs to the operator that made the list"),
    structure="selection",
    formula="y = item number k of a list of tensors;  ∂J/∂y goes to that item, nothing to the others",
    latex=r"y = u_k, \quad \frac{\partial J}{\partial u_k} = \frac{\partial J}{\partial y}",
)


# Number formats


def _conversion(overload: str, formula: str) -> Operator:
    return operator(
        f"aten.to.{overload}",
        plain(getattr(aten.to, overload)),
        lambda back, u, *_args, **_kwargs: (back.upstream.to(u.dtype), *(None for _ in back.needs[1:])),
        lambda local, u, *_args, **_kwargs: identity(u.shape, local.output),
        structure="elementwise",
        formula=f"y = u {formula};  ∂J/∂u = ∂J/∂y in the number format of u",
        latex=r"y = u, \quad \frac{\partial J}{\partial u} = \frac{\partial J}{\partial y}",
    )


TO_DTYPE = _conversion("dtype", "in another number format")
TO_DTYPE_LAYOUT = _conversion("dtype_layout", "in another number format or memory layout")
TYPE_AS = operator(
    "aten.type_as.default",
    plain(lambda u, other: u.to(other.dtype)),
    lambda back, u, _other: (back.upstream.to(u.dtype) if back.needs[0] else None, None),
    lambda local, u, _other: identity(u.shape, local.output),
    structure="elementwise",
    formula="y = u in the number format of another tensor;  ∂J/∂u = ∂J/∂y in the number format of u",
    latex=r"y = u, \quad \frac{\partial J}{\partial u} = \frac{\partial J}{\partial y}",
)
TO_DEVICE = _conversion("device", "on another device")
