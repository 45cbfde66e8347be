"""Learning curve: how the error falls with the number of training images, and what more of them would be worth."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from convlens.core.comparison import Forecast, Worth
from convlens.training.significance import Scores

_LEAST_POINTS = 3
"""Of a curve with three constants."""
_EXPONENTS = np.arange(0.05, 2.01, 0.05)
"""Hestness et al., Deep learning scaling is predictable, empirically, 2017, section 4, found 0.07 to 0.35 over many
decades; over the first images of a class errors fall faster."""
_RESAMPLES = 1000
_GROWTH = (1.25, 1.5, 2.0)
"""Times the images that there are. Nothing is said of more than twice as many."""
_CHIEF = 1.5
"""Of those, the one that classes are told by."""

_Matrix = NDArray[np.float64]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Measured:
    """A part of the training images, and how training on it went."""

    classes: Mapping[str, int]
    """Training images of each class, label or "" for all."""
    scores: Scores
    """Of each run."""

    @property
    def images(self) -> int:
        """To train on."""
        return self.classes[""]


def forecast(
    parts: Sequence[Measured], now: Mapping[str, int], labels: Mapping[str, str], *, proportion: bool
) -> Forecast | None:
    """What more images than there are `now` would be worth, by the curve through the parts; None with too few.

    `now` has the counts of all training images, as `Measured.classes`. `labels` are the class of each validation
    image, for a forecast class by class; empty where images have more than one label or numbers. The score is whether
    an image is right (`proportion`), or an error.

    The curve is error = a + b n^-c with a and b of at least 0 (Cortes, Jackel, Solla, Vapnik & Denker, Learning curves:
    asymptotic values and rate of convergence, 1993), by least squares. Intervals are those of a bootstrap over
    validation images and over runs, both drawn at once and the same for all parts, since these share them; they do not
    tell whether the curve goes on as it began.
    """
    if len({part.images for part in parts}) < _LEAST_POINTS:
        return None
    images = sorted({name for part in parts for one in part.scores for name in one})
    table = _Table(parts, images, proportion)
    draws = _draws(len(images), len(parts[0].scores))
    everything = np.ones(len(images))
    whole = _curves(parts, "", table.errors(everything, draws))
    classes = []
    for name in sorted(set(labels.values())):
        chosen = np.array([labels[image] == name for image in images], dtype=np.float64)
        curves = _curves(parts, name, table.errors(chosen, draws))
        if curves is not None:
            classes.append(_worth(curves, name, now[name], _CHIEF))
    assert whole is not None
    worths = [_worth(whole, "", now[""], growth) for growth in _GROWTH]
    return Forecast(
        asymptote=float(whole.a[0]),
        scale=float(whole.b[0]),
        exponent=float(whole.c[0]),
        runs=len(parts[0].scores),
        all=worths,
        classes=sorted(classes, key=lambda one: -one.gain),
    )


class _Draws(NamedTuple):
    """How often each image and each run counts: first as they are, then as drawn again and again."""

    images: _Matrix
    """Of shape (1 + resamples, images)."""
    runs: _Matrix
    """Of shape (1 + resamples, runs)."""


def _draws(images: int, runs: int) -> _Draws:
    """Of R runs, R - 1 are drawn: means of R of them would vary too little, by the factor (R - 1) / R."""
    draw = np.random.default_rng(0)
    drawn_images = draw.multinomial(images, np.full(images, 1 / images), size=_RESAMPLES)
    drawn_runs = draw.multinomial(max(1, runs - 1), np.full(runs, 1 / runs), size=_RESAMPLES)
    return _Draws(
        np.vstack([np.ones((1, images)), drawn_images]),
        np.vstack([np.ones((1, runs)), drawn_runs]),
    )


class _Table:
    """The error of each image in each run on each part."""

    def __init__(self, parts: Sequence[Measured], images: Sequence[str], proportion: bool) -> None:
        runs = len(parts[0].scores)
        self._errors = np.zeros((len(parts), runs, len(images)))
        self._judged = np.zeros_like(self._errors)
        place = {name: number for number, name in enumerate(images)}
        for part, one in enumerate(parts):
            for run, scores in enumerate(one.scores):
                where = [place[name] for name in scores]
                found = np.array([*scores.values()])
                self._errors[part, run, where] = 1 - found if proportion else found
                self._judged[part, run, where] = 1

    def errors(self, chosen: _Matrix, draws: _Draws) -> _Matrix:
        """Mean errors of the chosen images, of shape (1 + resamples, parts); NaN where none was drawn."""
        weights = draws.images * chosen
        summed = np.einsum("bn,prn,br->bp", weights, self._errors, draws.runs, optimize=True)
        counted = np.einsum("bn,prn,br->bp", weights, self._judged, draws.runs, optimize=True)
        means: _Matrix = np.divide(summed, counted, out=np.full_like(summed, np.nan), where=counted > 0)
        return means


class _Curves(NamedTuple):
    """a + b n^-c, for the data and for each resample, each of shape (1 + resamples,)."""

    a: _Matrix
    b: _Matrix
    c: _Matrix

    def at(self, count: float) -> _Matrix:
        """The error with so many training images."""
        errors: _Matrix = self.a + self.b / count**self.c
        return errors


def _curves(parts: Sequence[Measured], name: str, errors: _Matrix) -> _Curves | None:
    """The best curves for a class; None where its images are too few to draw one through."""
    counts = np.array([part.classes.get(name, 0) for part in parts], dtype=np.float64)
    if len(set(counts.tolist())) < _LEAST_POINTS or counts.min() < 1 or np.isnan(errors[0]).any():
        return None
    errors = errors[~np.isnan(errors).any(1)]
    best = np.full(len(errors), np.inf)
    found = np.zeros((3, len(errors)))
    for exponent in _EXPONENTS:
        a, b, missed = _least_squares(counts**-exponent, errors)
        better = missed < best
        best = np.where(better, missed, best)
        found = np.where(better, np.stack([a, b, np.full(len(errors), exponent)]), found)
    return _Curves(*found)


def _least_squares(x: _Matrix, y: _Matrix) -> tuple[_Matrix, _Matrix, _Matrix]:
    """For each row of y the a and b of at least 0 that make a + b x nearest to it, and the squares that remain."""
    x_mean, y_mean = x.mean(), y.mean(1)
    b = ((x - x_mean) * (y - y_mean[:, None])).sum(1) / ((x - x_mean) ** 2).sum()
    a = y_mean - b * x_mean
    through_zero = (x * y).sum(1) / (x**2).sum()
    b = np.where(a < 0, through_zero, b)
    a = np.where(a < 0, 0.0, a)
    a = np.where(b < 0, y_mean, a)
    b = np.where(b < 0, 0.0, b)
    return a, b, ((a[:, None] + b[:, None] * x - y) ** 2).sum(1)


def _worth(curves: _Curves, name: str, images: int, growth: float) -> Worth:
    more = _rounded_down((growth - 1) * images)
    gains = curves.at(images) - curves.at(images + more)
    low, high = np.quantile(gains[1:], [0.025, 0.975])
    return Worth(name=name, images=images, more=more, gain=float(gains[0]), interval=(float(low), float(high)))


def _rounded_down(count: float) -> int:
    """To two significant digits, and at least 1: 197 -> 190."""
    power: int = 10 ** max(0, len(str(int(count))) - 2)
    return max(1, int(count) // power * power)
