"""Categorical cross-entropy and negative log-likelihood.

Legend: u logits (or log-probabilities), classes on axis 1; t targets, as classes or as probabilities; q the target
distribution of each sample; p = softmax(u); N what the mean divides by. y = -1/N Σ_s Σ_c q_sc log p_sc.
"""

import torch
from torch import Tensor

from convlens.ops.dense import diagonal
from convlens.ops.loss import MEAN, OF_SCORES
from convlens.ops.record import Backward, Gradients, Local, operator, plain, reads_inputs


def _target_distribution(
    u: Tensor, t: Tensor, weight: Tensor | None, ignored: int, smoothing: float
) -> tuple[Tensor, Tensor | float]:
    """q (weighted, smoothed, zero for ignored samples) in the shape of u, and N, which the mean divides by."""
    num_classes, dim = u.shape[_class_axis(u)], _class_axis(u)
    w = u.new_ones(num_classes) if weight is None else weight
    w = w.reshape(-1, *(1,) * (u.ndim - dim - 1))
    if t.shape == u.shape and t.is_floating_point():
        return w * ((1 - smoothing) * t + smoothing / num_classes), u.numel() / num_classes
    counted = (t != ignored).unsqueeze(dim)
    hot = torch.zeros_like(u).scatter_(dim, t.unsqueeze(dim).where(counted, 0), 1.0) * counted * w
    return (1 - smoothing) * hot + smoothing / num_classes * w * counted, hot.sum()


def _class_axis(u: Tensor) -> int:
    """Classes lie on axis 1, on axis 0 for a single sample."""
    return min(1, u.ndim - 1)


def _reduced(losses: Tensor, total: Tensor | float, reduction: int) -> Tensor:
    if reduction == 0:
        return losses
    return losses.sum() / total if reduction == MEAN else losses.sum()


def _shared(upstream: Tensor, total: Tensor | float, reduction: int, u: Tensor) -> Tensor:
    """∂J/∂ℓ of each sample, broadcastable over the classes."""
    if reduction == 0:
        return upstream.unsqueeze(_class_axis(u))
    return upstream / total if reduction == MEAN else upstream


def _cross_entropy(
    u: Tensor,
    t: Tensor,
    weight: Tensor | None = None,
    reduction: int = MEAN,
    ignored: int = -100,
    smoothing: float = 0.0,
) -> tuple[Tensor, Tensor]:
    """The loss, and log p."""
    log_p = torch.log_softmax(u, _class_axis(u))
    q, total = _target_distribution(u, t, weight, ignored, smoothing)
    return _reduced(-(q * log_p).sum(_class_axis(u)), total, reduction), log_p


def _cross_entropy_gradient(
    back: Backward,
    u: Tensor,
    t: Tensor,
    weight: Tensor | None = None,
    reduction: int = MEAN,
    ignored: int = -100,
    smoothing: float = 0.0,
) -> Gradients:
    log_p = back.saved
    q, total = _target_distribution(log_p, t, weight, ignored, smoothing)
    share = _shared(back.upstream, total, reduction, log_p)
    du = share * (log_p.exp() * q.sum(_class_axis(u), keepdim=True) - q) if back.needs[0] else None
    dt = None
    if back.needs[1]:
        w = 1.0 if weight is None else weight.reshape(-1, *(1,) * (u.ndim - _class_axis(u) - 1))
        dt = -share * w * (1 - smoothing) * log_p
    return (du, dt, None)[: len(back.needs)]


def _by_sample(slope: Tensor, reduction: int) -> Tensor:
    """The gradient tensor of a loss whose slope ∂ℓ_s/∂u is `slope` at the sample s and zero at the others."""
    if reduction != 0:
        return slope
    axis = _class_axis(slope)
    return diagonal(slope).sum(axis)


def _cross_entropy_local_gradient(
    local: Local,
    u: Tensor,
    t: Tensor,
    weight: Tensor | None = None,
    reduction: int = MEAN,
    ignored: int = -100,
    smoothing: float = 0.0,
) -> Tensor:
    q, total = _target_distribution(u, t, weight, ignored, smoothing)
    share = 1 / total if reduction == MEAN else 1.0
    p = torch.softmax(u, _class_axis(u))
    if local.wrt == 0:
        return _by_sample(share * (p * q.sum(_class_axis(u), keepdim=True) - q), reduction)
    w = 1.0 if weight is None else weight.reshape(-1, *(1,) * (u.ndim - _class_axis(u) - 1))
    return _by_sample(-share * w * (1 - smoothing) * p.log(), reduction)


CROSS_ENTROPY = operator(
    "aten.cross_entropy_loss.default",
    _cross_entropy,
    _cross_entropy_gradient,
    _cross_entropy_local_gradient,
    structure="loss",
    formula="ŷ = softmax(u), y = -1/N Σ_s Σ_c q_sc log(ŷ_sc), q one-hot targets (weighted, smoothed) or "
    "probabilities;  ∂J/∂u = ∂J/∂y · (ŷ - q) / N,  for weighted classes (ŷ Σ_c q_c - q) / N",
    latex=r"\hat y = \mathrm{softmax}(u),\ y = -\frac{1}{N} \sum_{s c} q_{sc} \log \hat y_{sc}, \quad "
    r"\frac{\partial J}{\partial u} = \frac{1}{N} (\hat y - q) \frac{\partial J}{\partial y}",
    reads=lambda needs: reads_inputs(*range(1, len(needs)))(needs),
    window=OF_SCORES,
)


def _nll(u: Tensor, t: Tensor, weight: Tensor | None = None, reduction: int = MEAN, ignored: int = -100) -> Tensor:
    q, total = _target_distribution(u, t, weight, ignored, 0.0)
    return _reduced(-(q * u).sum(_class_axis(u)), total, reduction)


def _nll_gradient(
    back: Backward,
    u: Tensor,
    t: Tensor,
    weight: Tensor | None = None,
    reduction: int = MEAN,
    ignored: int = -100,
) -> Gradients:
    q, total = _target_distribution(back.upstream.new_zeros(u.shape), t, weight, ignored, 0.0)
    return (-_shared(back.upstream, total, reduction, q) * q, *(None for _ in back.needs[1:]))


def _nll_local_gradient(
    _: Local, u: Tensor, t: Tensor, weight: Tensor | None = None, reduction: int = MEAN, ignored: int = -100
) -> Tensor:
    q, total = _target_distribution(u, t, weight, ignored, 0.0)
    return _by_sample(-q / total if reduction == MEAN else -q, reduction)


NLL, NLL_ND = (
    operator(
        f"aten.{name}.default",
        plain(_nll),
        _nll_gradient,
        _nll_local_gradient,
        structure="loss",
        formula="y = -1/N Σ_s u[s, t_s] for log-probabilities u;  ∂J/∂u[s, c] = -∂J/∂y · [c = t_s] / N",
        latex=r"y = -\frac{1}{N} \sum_s u_{s t_s}, \quad "
        r"\frac{\partial J}{\partial u_{sc}} = -\frac{1}{N} [c = t_s] \frac{\partial J}{\partial y}",
        reads=lambda needs: reads_inputs(*range(1, len(needs)))(needs),
        window=OF_SCORES,
    )
    for name in ("nll_loss", "nll_loss_nd")
)
