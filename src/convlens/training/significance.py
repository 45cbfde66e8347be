"""Whether one recipe does better than another: paired differences with their uncertainty."""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri, stdtrit

CONFIDENCE = 0.95
_BISECTIONS = 60  # to the last digit of a double


class Difference(NamedTuple):
    """Of two accuracies."""

    value: float
    interval: tuple[float, float]
    """95 %."""
    p_value: float
    """Two-sided, for no difference."""


def paired_difference(hits: Sequence[Mapping[str, bool]], base: Sequence[Mapping[str, bool]]) -> Difference:
    """The difference of mean accuracies; `hits[r][image]` says whether run r classified the image correctly.

    Both were evaluated on the same images in every run. An image may be evaluated in several runs, and all images of a
    run share its weights, so the variance has a component of the images, one of the runs, and one of both, which the
    first two contain as well (two-way clustering: Cameron, Gelbach & Miller, 2011). Each component has its own
    Student's t, because two or three runs tell little about their variance (Howe, Two-sided tolerance limits, 1974, for
    sums of components). Two more images, one of which gained and one of which lost, keep the interval wide where few
    images or none changed (Bonett & Price, Adjusted Wald confidence interval for a difference of binomial proportions
    based on paired data, 2012); they move the middle of the interval, not the value. A single run says nothing about
    the luck of runs, and the interval then speaks of other images only.

    The p-value fits the interval, and is at least the smallest that flipping the signs of the images' gains can give.
    """
    gains = _Gains.of(hits, base)
    spread = _Spread.of(gains)
    p_value = max(_p_value(gains.middle, spread), min(1.0, 2 * 0.5**gains.changed_images))
    half = spread.half_width(CONFIDENCE)
    low, high = max(-1.0, gains.middle - half), min(1.0, gains.middle + half)
    if p_value > 1 - CONFIDENCE:  # what the signs leave open, the interval leaves open
        low, high = min(low, 0.0), max(high, 0.0)
    return Difference(gains.mean, (low, high), p_value)


class _Gains(NamedTuple):
    """What one recipe gained over another in each evaluation of an image: 1, 0 or -1."""

    gains: NDArray[np.float64]
    image: NDArray[np.intp]
    """The image of each, from 0 on."""
    run: NDArray[np.intp]

    @classmethod
    def of(cls, hits: Sequence[Mapping[str, bool]], base: Sequence[Mapping[str, bool]]) -> Self:
        pairs = [
            (float(ours[name]) - float(theirs[name]), name, run)
            for run, (ours, theirs) in enumerate(zip(hits, base, strict=True))
            for name in theirs
        ]
        gains, names, runs = zip(*pairs, strict=True)
        return cls(np.array(gains), np.unique(names, return_inverse=True)[1], np.array(runs))

    @property
    def mean(self) -> float:
        return float(self.gains.mean())

    @property
    def added_weight(self) -> float:
        """Evaluations that each of the two added images stands for: the root of how many a real one has.

        All of them would hide what many runs show, a single one would promise too much of many runs on few images.
        """
        return math.sqrt(len(self.gains) / (self.image.max() + 1))

    @property
    def total_weight(self) -> float:
        return len(self.gains) + 2 * self.added_weight

    @property
    def middle(self) -> float:
        """The mean with the two added images, which is nearer to 0."""
        return float(self.gains.sum()) / self.total_weight

    @property
    def changed_images(self) -> int:
        """Images that gained or lost over all runs."""
        return int(np.count_nonzero(np.bincount(self.image, self.gains)))


class _Spread(NamedTuple):
    """Components of the variance of a mean gain."""

    by_image: float
    by_run: float
    by_both: float
    """The part that images and runs share, which stands in each of the other two."""
    images: int
    """The two added ones among them."""
    runs: int

    @classmethod
    def of(cls, gains: _Gains) -> Self:
        images, runs = int(gains.image.max()) + 1, int(gains.run.max()) + 1
        middle, added, total = gains.middle, gains.added_weight, gains.total_weight
        rest = gains.gains - middle
        of_images = np.append(np.bincount(gains.image, rest), [added * (1 - middle), added * (-1 - middle)])
        of_runs = np.bincount(gains.run, rest) - 2 * added * middle / runs
        return cls(
            by_image=float(_scaled(of_images).sum()) / total**2,
            by_run=float(_scaled(of_runs).sum()) / total**2 if runs > 1 else 0.0,
            by_both=_interaction(gains) / total,
            images=images + 2,
            runs=runs,
        )

    def half_width(self, confidence: float) -> float:
        """Half of the interval of that confidence."""
        upper = 0.5 + confidence / 2
        from_images = float(stdtrit(self.images - 1, upper)) ** 2 * self.by_image
        from_runs = float(stdtrit(self.runs - 1, upper)) ** 2 * self.by_run if self.runs > 1 else 0.0
        counted_twice = float(ndtri(upper)) ** 2 * self.by_both
        return math.sqrt(max(from_images, from_runs, from_images + from_runs - counted_twice))


def _scaled(sums: NDArray[np.floating]) -> NDArray[np.floating]:
    """The squared sums of clusters, with the correction for few clusters."""
    return len(sums) / (len(sums) - 1) * sums**2


def _interaction(gains: _Gains) -> float:
    """The variance of a gain that neither its image nor its run explains; 0 where there is too little to say."""
    image_means = np.bincount(gains.image, gains.gains) / np.bincount(gains.image)
    run_means = np.bincount(gains.run, gains.gains) / np.bincount(gains.run)
    freedom = len(gains.gains) - len(image_means) - len(run_means) + 1
    if freedom < 1:
        return 0.0
    rest = gains.gains - image_means[gains.image] - run_means[gains.run] + gains.mean
    return float((rest**2).sum()) / freedom


def _p_value(middle: float, spread: _Spread) -> float:
    """One less the confidence whose interval just reaches 0."""
    low, high = 0.0, 1.0
    for _ in range(_BISECTIONS):
        confidence = (low + high) / 2
        if spread.half_width(confidence) < abs(middle):
            low = confidence
        else:
            high = confidence
    return 1 - low


def holm(p_values: Sequence[float]) -> list[float]:
    """The p-values corrected for their number (Holm, A simple sequentially rejective multiple test procedure, 1979)."""
    order = sorted(range(len(p_values)), key=p_values.__getitem__)
    corrected = [0.0] * len(p_values)
    highest = 0.0
    for rank, place in enumerate(order):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[place]))
        corrected[place] = highest
    return corrected
