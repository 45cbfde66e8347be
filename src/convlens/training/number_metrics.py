"""How well numbers are predicted: errors in their own units, and the part of their variance that is explained.

Tested against scikit-learn's.
"""

import math
from collections.abc import Sequence
from statistics import NormalDist, fmean

from torch import Tensor

from convlens.core.kinds.regression import NumberScore, RegressionEvaluation

_CONFIDENCE = 0.95


def evaluate_numbers(said: Tensor, true: Tensor, names: Sequence[str], loss: float) -> RegressionEvaluation:
    """The evaluation of numbers of shape (N, numbers) in their own units, float64; `loss` is that of training."""
    scores = [_score(name, said[:, n], true[:, n]) for n, name in enumerate(names)]
    explained = [score.r2 for score in scores if score.r2 is not None]
    return RegressionEvaluation(
        images=len(true), loss=loss, r2=fmean(explained) if explained else None, per_number=scores
    )


def _score(name: str, said: Tensor, true: Tensor) -> NumberScore:
    errors = said - true
    squares = errors.square()
    variance = true.var(correction=0).item()
    return NumberScore(
        name=name,
        mean_squared_error=squares.mean().item(),
        root_mean_squared_error=math.sqrt(squares.mean().item()),
        interval=_interval(squares),
        mean_absolute_error=errors.abs().mean().item(),
        r2=1 - squares.mean().item() / variance if variance else None,
        mean=true.mean().item(),
        spread=math.sqrt(variance),
    )


def _interval(squares: Tensor) -> tuple[float, float]:
    """Of the root of the mean of the squares; a single square says nothing about its spread."""
    mean = squares.mean().item()
    error = squares.std().item() / math.sqrt(len(squares)) if len(squares) > 1 else math.inf
    half = NormalDist().inv_cdf(0.5 + _CONFIDENCE / 2) * error
    return math.sqrt(max(0.0, mean - half)), math.sqrt(mean + half)
