"""Scaled dot-product attention.

Legend: Q (..., l, d) queries, K (..., s, d) keys, V (..., s, e) values, M mask, c = 1/√d the scale,
S = c Q Kᵀ + M (..., l, s) scores, P = softmax(S) attention weights, D = P after dropout, Y = D V (..., l, e).
"""

import math
from math import prod
from typing import Any, NamedTuple

import torch
from torch import Tensor

from convlens.core.errors import UsageError
from convlens.ops.broadcasting import sum_to
from convlens.ops.record import Backward, Gradients, Local, Needs, Reads, Seen, Shape, Subscripts, only_wanted, operator

aten = torch.ops.aten


class Settings(NamedTuple):
    """The arguments after Q, K and V."""

    mask: Tensor | None
    dropout: float
    causal: bool
    scale: float | None


def _settings(
    mask: Tensor | None = None,
    dropout: float = 0.0,
    causal: bool = False,
    *,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Settings:
    if enable_gqa:
        raise UsageError(
            "aten.scaled_dot_product_attention with enable_gqa=True has no rule: queries and keys need the same "
            "number of heads. Repeat the keys and values (torch.repeat_interleave) before the call."
        )
    return Settings(mask, dropout, causal, scale)


# By definition


def attention_weights(q: Tensor, k: Tensor, settings: Settings) -> Tensor:
    """P = softmax(c Q Kᵀ + M); a boolean mask keeps the places where it is true.

    A query whose keys are all masked has no weights: its row of P is zero, as torch has it, and so is its gradient.
    """
    scores = q @ k.mT * _scale(q, settings)
    kept, added = settings.mask, None
    if settings.causal:
        kept = torch.ones(scores.shape[-2:], dtype=torch.bool, device=q.device).tril()
    elif kept is not None and kept.dtype != torch.bool:
        kept, added = None, kept
    if added is not None:
        scores = scores + added
    if kept is not None:
        scores = scores.masked_fill(~kept, -math.inf)
    attention = torch.softmax(scores, -1)
    if settings.mask is None:
        return attention
    return attention.masked_fill(scores.amax(-1, keepdim=True) == -math.inf, 0)


def _scale(q: Tensor, settings: Settings) -> float:
    return 1 / math.sqrt(q.shape[-1]) if settings.scale is None else settings.scale


class Weights(NamedTuple):
    """What the forward pass leaves: P, and the places that dropout kept."""

    attention: Tensor
    kept: Tensor | None

    def dropped(self, rate: float) -> Tensor:
        """D = P where it was kept, scaled up; P itself without dropout."""
        return self.attention if self.kept is None else self.attention * self.kept / (1 - rate)


def _gradient_by_definition(back: Backward, q: Tensor, k: Tensor, v: Tensor, settings: Settings) -> Gradients:
    """∂J/∂V = Dᵀ G, ∂J/∂P = G Vᵀ, ∂J/∂S = P (∂J/∂P - Σ_s ∂J/∂P P), ∂J/∂Q = c ∂J/∂S K, ∂J/∂K = c (∂J/∂S)ᵀ Q."""
    weights: Weights = back.saved
    g, (needs_q, needs_k, needs_v, *needs_mask) = back.upstream, back.needs
    dv = sum_to(weights.dropped(settings.dropout).mT @ g, v.shape) if needs_v else None
    if not (needs_q or needs_k or any(needs_mask)):
        return (None, None, dv, *(None for _ in needs_mask))
    dp = g @ v.mT
    if weights.kept is not None:
        dp = dp * weights.kept / (1 - settings.dropout)
    ds = aten._softmax_backward_data(dp, weights.attention, -1, dp.dtype)
    c = _scale(q, settings)
    return (
        sum_to(ds @ k * c, q.shape) if needs_q else None,
        sum_to(ds.mT @ q * c, k.shape) if needs_k else None,
        dv,
        *(sum_to(ds, settings.mask.shape) if needed and settings.mask is not None else None for needed in needs_mask),
    )


# By the fast kernel of the CPU, which keeps the logarithm of the softmax's denominator instead of P


class Fused(NamedTuple):
    """What the fast kernel leaves: log Σ_s exp(S), of shape (..., l)."""

    log_sum: Tensor


def _fits_kernel(q: Tensor, k: Tensor, v: Tensor, settings: Settings) -> bool:
    """Whether the kernel of the CPU takes these inputs."""
    same_batch = q.ndim == 4 and q.shape[:2] == k.shape[:2] == v.shape[:2]
    return (
        q.device.type == "cpu"
        and same_batch
        and q.shape[-1] == k.shape[-1] == v.shape[-1]
        and settings.mask is None
        and settings.dropout == 0
        and min(q.numel(), k.numel()) > 0
    )


def _attention(q: Tensor, k: Tensor, v: Tensor, *args: Any, **kwargs: Any) -> tuple[Tensor, Weights | Fused]:
    settings = _settings(*args, **kwargs)
    if _fits_kernel(q, k, v, settings):
        y, log_sum = aten._scaled_dot_product_flash_attention_for_cpu(
            q, k, v, 0.0, settings.causal, scale=settings.scale
        )
        return y, Fused(log_sum)
    attention = attention_weights(q, k, settings)
    if settings.dropout == 0:
        return attention @ v, Weights(attention, None)
    dropped, kept = aten.native_dropout(attention, settings.dropout, True)
    return dropped @ v, Weights(attention, kept)


def _gradient(back: Backward, q: Tensor, k: Tensor, v: Tensor, *args: Any, **kwargs: Any) -> Gradients:
    settings = _settings(*args, **kwargs)
    if not isinstance(back.saved, Fused):
        return _gradient_by_definition(back, q, k, v, settings)
    gradients = aten._scaled_dot_product_flash_attention_for_cpu_backward(
        back.upstream, q, k, v, back.output, back.saved.log_sum, 0.0, settings.causal, scale=settings.scale
    )
    return only_wanted(gradients, back.needs)


def _local_gradient(local: Local, q: Tensor, k: Tensor, v: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    """∂Y/∂V and the chain ∂Y/∂S · ∂S/∂(Q, K or M), for one sample and head after the other."""
    settings = _settings(*args, **kwargs)
    weights = local.saved if isinstance(local.saved, Weights) else Weights(attention_weights(q, k, settings), None)
    batch = local.output.shape[:-2]
    p = weights.attention.expand(*batch, -1, -1).reshape(-1, *weights.attention.shape[-2:])
    keep = torch.ones_like(p) if weights.kept is None else weights.kept.expand(*batch, -1, -1).reshape(p.shape).to(p)
    keep = keep / (1 - settings.dropout)
    q1, k1, v1 = (x.expand(*batch, -1, -1).reshape(-1, *x.shape[-2:]) for x in (q, k, v))
    c = _scale(q, settings)
    if local.wrt == 2:
        rows = torch.einsum("bls,ef->blesf", p * keep, torch.eye(v.shape[-1], dtype=v.dtype))
        return _by_batch(rows, batch, v.shape)
    by_score = torch.einsum("bls,bls,bse->bles", p, keep, v1) - torch.einsum("bls,blt,blt,bte->bles", p, p, keep, v1)
    if local.wrt == 0:
        rows = c * torch.einsum("bles,bsd,lm->blemd", by_score, k1, torch.eye(q.shape[-2], dtype=q.dtype))
        return _by_batch(rows, batch, q.shape)
    if local.wrt == 1:
        return _by_batch(c * torch.einsum("bles,bld->blesd", by_score, q1), batch, k.shape)
    assert settings.mask is not None
    rows = torch.einsum("bles,lm->blems", by_score, torch.eye(q.shape[-2], dtype=q.dtype))
    return _by_batch(rows, batch, settings.mask.shape)


def _by_batch(rows: Tensor, batch: Shape, shape: Shape) -> Tensor:
    """Gradient tensors of single samples (b, l, e, ...) as one tensor, summed where the input was broadcast."""
    num = rows.shape[0]
    full = torch.zeros(num, *rows.shape[1:3], num, *rows.shape[3:], dtype=rows.dtype)
    full[range(num), :, :, range(num)] = rows
    full = full.reshape(*batch, *rows.shape[1:3], *batch, *rows.shape[3:])
    outputs = full.ndim - len(batch) - 2
    padded = (1,) * (len(batch) + 2 - len(shape)) + tuple(shape)
    stretched = [outputs + axis for axis, size in enumerate(padded) if size == 1]
    full = full.sum(stretched, keepdim=True) if stretched else full
    return full.reshape(*full.shape[:outputs], *shape)


def _reads(needs: Needs) -> Reads:
    return Reads(tuple(range(len(needs))), output=True)


def _scores_and_values(output: Shape, q: Shape, k: Shape) -> tuple[int, int]:
    """Multiply-adds of Q Kᵀ, and of P V."""
    num_scores = prod(output[:-1]) * k[-2]
    return num_scores * q[-1], num_scores * output[-1]


def _multiply_adds(output: Shape, q: Shape, k: Shape, _v: Shape, *_: Any, **__: Any) -> int:
    return sum(_scores_and_values(output, q, k))


def _backward_multiply_adds(context: tuple[Needs, Shape], q: Shape, k: Shape, _v: Shape, *_: Any, **__: Any) -> int:
    """One product for each gradient, and G Vᵀ for those of Q and K; a kernel that forms S again does that on top."""
    (needs_q, needs_k, needs_v, *needs_mask), output = context
    scores, values = _scores_and_values(output, q, k)
    by_score = needs_q or needs_k or any(needs_mask)
    return scores * (needs_q + needs_k) + values * (needs_v + by_score)


def _window(output: Shape, q: Shape, k: Shape, v: Shape, *_: Any, **__: Any) -> Seen:
    """A query sees its own token, and all keys and values."""
    batches = len(output) - 2
    labels, query, key, inner, feature = range(batches), batches, batches + 1, batches + 2, batches + 3
    of_q, of_k, of_v = (tuple(labels[batches - (len(u) - 2) :]) for u in (q, k, v))
    return Subscripts(
        inputs=((*of_q, query, inner), (*of_k, key, inner), (*of_v, key, feature)), output=(*labels, query, feature)
    )


SCALED_DOT_PRODUCT_ATTENTION = operator(
    "aten.scaled_dot_product_attention.default",
    _attention,
    _gradient,
    _local_gradient,
    structure="attention",
    formula="P = softmax(Q Kᵀ / √d + M), Y = P V;  with G = ∂J/∂Y: ∂J/∂V = Pᵀ G,  ∂J/∂P = G Vᵀ,  "
    "∂J/∂S = P (∂J/∂P - Σ_s ∂J/∂P P),  ∂J/∂Q = ∂J/∂S K / √d,  ∂J/∂K = (∂J/∂S)ᵀ Q / √d,  ∂J/∂M = ∂J/∂S",
    latex=r"P = \mathrm{softmax}\!\left(\tfrac{1}{\sqrt d} Q K^\top + M\right),\ Y = P V, \quad "
    r"\frac{\partial J}{\partial V} = P^\top G,\ "
    r"\frac{\partial J}{\partial S} = P \circ \left(G V^\top - \textstyle\sum_s G V^\top \circ P\right),\ "
    r"\frac{\partial J}{\partial Q} = \tfrac{1}{\sqrt d} \frac{\partial J}{\partial S} K,\ "
    r"\frac{\partial J}{\partial K} = \tfrac{1}{\sqrt d} \left(\frac{\partial J}{\partial S}\right)^\top Q",
    reads=_reads,
    multiply_adds=_multiply_adds,
    backward_multiply_adds=_backward_multiply_adds,
    window=_window,
)
