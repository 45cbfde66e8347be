"""Calibration: probabilities that are as often right as they say.

Guo, Pleiss, Sun & Weinberger, On calibration of modern neural networks, ICML 2017. Tested against scikit-learn's.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from convlens.core.trust import Calibration, CalibrationScores, ReliabilityBin

_LARGEST_LOG_FACTOR = 10.0
"""As in scikit-learn: a temperature between e^-10 and e^10."""
_BINS = 15
_RESAMPLES = 1000
_DRAWN_AT_ONCE = 2**22
_MOST_DRAWN = 2**25
"""Of many images fewer resamples tell as much."""
_LEAST_OF_A_CLASS = 100
"""Images for factors of its own, which are two numbers for each class."""
_HALVES = 2


def calibrated(logits: Tensor, calibration: Calibration | None) -> Tensor:
    """Logits of shape (N, classes) whose softmax is the calibrated probability."""
    if calibration is None:
        return logits
    factors = logits.new_tensor(calibration.factors)
    return logits * factors + logits.new_tensor(calibration.offsets) if calibration.offsets else logits * factors


def fit_calibration(logits: Tensor, labels: Tensor) -> Calibration:
    """The calibration of logits (N, classes) that were predicted out of fold, for class numbers of shape (N,).

    A temperature; vector scaling where each class has at least 100 images and the vector, fitted on one half and
    judged on the other in turn, has a lower log loss than the temperature by over two standard errors.
    """
    if labels.bincount(minlength=logits.shape[1]).min() >= _LEAST_OF_A_CLASS and _vector_is_better(logits, labels):
        return fit_vector(logits, labels)
    return fit_temperature(logits, labels)


def fit_temperature(logits: Tensor, labels: Tensor) -> Calibration:
    """The one factor with the least log loss: a convex problem in one number, solved by Newton's method with bisection.

    The derivative of the log loss by the factor β is mean(E_p[z] − z_y), which rises with β: its root is bracketed.
    """
    z = logits.double()
    z = z - z.gather(1, labels[:, None])
    low, high = math.exp(-_LARGEST_LOG_FACTOR), math.exp(_LARGEST_LOG_FACTOR)
    if _slope(z, high) <= 0:
        return Calibration(factors=[high])
    if _slope(z, low) >= 0:
        return Calibration(factors=[low])
    for _ in range(100):
        middle = math.sqrt(low * high)
        low, high = (low, middle) if _slope(z, middle) > 0 else (middle, high)
        if high / low < 1 + 1e-12:
            break
    return Calibration(factors=[math.sqrt(low * high)])


def _slope(z: Tensor, factor: float) -> float:
    """The derivative of the log loss by the factor; `z` are logits less that of the true class."""
    return float(((z * factor).softmax(1) * z).sum(1).mean())


def fit_vector(logits: Tensor, labels: Tensor) -> Calibration:
    """A factor and an offset for each class, with the least log loss, by L-BFGS from the temperature on."""
    z = logits.double()
    start = fit_temperature(logits, labels).factors[0]
    factors = torch.full((z.shape[1],), start, dtype=torch.float64, requires_grad=True)
    offsets = torch.zeros(z.shape[1], dtype=torch.float64, requires_grad=True)
    solver = torch.optim.LBFGS([factors, offsets], max_iter=200, tolerance_grad=1e-7, line_search_fn="strong_wolfe")

    def loss() -> float:
        solver.zero_grad()
        value = F.cross_entropy(z * factors + offsets, labels)
        value.backward()  # type: ignore[no-untyped-call]
        return float(value.detach())

    with torch.enable_grad():
        solver.step(loss)  # type: ignore[no-untyped-call]
    return Calibration(factors=factors.tolist(), offsets=(offsets - offsets.mean()).tolist())


def _vector_is_better(logits: Tensor, labels: Tensor) -> bool:
    """By gains in log loss on halves that the calibrations were not fitted on."""
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(0))
    gains = []
    for half in range(_HALVES):
        held_out = order[half::_HALVES]
        fitted_on = order[1 - half :: _HALVES]
        losses = [
            F.cross_entropy(
                calibrated(logits[held_out].double(), fit(logits[fitted_on], labels[fitted_on])),
                labels[held_out],
                reduction="none",
            )
            for fit in (fit_temperature, fit_vector)
        ]
        gains.append(losses[0] - losses[1])
    gain = torch.cat(gains)
    return bool(gain.mean() > 2 * gain.std() / math.sqrt(len(gain)))


def calibration_scores(probabilities: Tensor, labels: Tensor) -> CalibrationScores:
    """How well probabilities (N, classes) agree with class numbers (N,)."""
    p = probabilities.double()
    confidence, predicted = p.max(1)
    right = (predicted == labels).double()
    bins = (confidence * _BINS).ceil().long().clamp(1, _BINS) - 1
    true = p.gather(1, labels[:, None])[:, 0]
    return CalibrationScores(
        expected_calibration_error=float(_errors(bins, confidence - right, torch.ones(1, len(labels)))),
        interval=_bootstrapped(bins, confidence - right),
        brier=float((p.square().sum(1) - 2 * true + 1).mean()),
        log_loss=float(-true.clamp(min=torch.finfo(torch.float64).tiny).log().mean()),
        bins=[_bin(confidence[of_bin], right[of_bin]) for n in range(_BINS) if (of_bin := bins == n).any()],
    )


def _bin(confidence: Tensor, right: Tensor) -> ReliabilityBin:
    return ReliabilityBin(images=len(right), confidence=float(confidence.mean()), accuracy=float(right.mean()))


def _errors(bins: Tensor, gap: Tensor, weights: Tensor) -> Tensor:
    """The expected calibration error for each row of weights of the images, (rows, N): Σ over bins |Σ gaps| / N."""
    sums = torch.zeros(len(weights), _BINS, dtype=torch.float64)
    sums.index_add_(1, bins, weights.double() * gap)
    return sums.abs().sum(1) / len(gap)


def _bootstrapped(bins: Tensor, gap: Tensor) -> tuple[float, float]:
    """The 95% interval by resampling the images."""
    generator = torch.Generator().manual_seed(0)
    count = len(gap)
    resamples = min(_RESAMPLES, max(200, _MOST_DRAWN // count))
    errors = []
    for rows in torch.split(torch.arange(resamples), max(1, _DRAWN_AT_ONCE // count)):
        drawn = torch.randint(count, (len(rows), count), generator=generator)
        weights = torch.zeros(len(rows), count).scatter_add_(1, drawn, torch.ones(drawn.shape))
        errors.append(_errors(bins, gap, weights))
    low, high = torch.cat(errors).quantile(torch.tensor([0.025, 0.975], dtype=torch.float64)).tolist()
    return low, high
