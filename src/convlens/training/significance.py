"""Whether one recipe does better than another: paired differences with their uncertainty."""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri, stdtrit

CONFIDENCE = 0.95
_BISECTIONS = 60  # to the last digit of a double
_ROUNDING = 1e-4
"""Of the mean score: equal recipes differ by less, since heads that train at once are summed in another order."""

Scores = Sequence[Mapping[str, float]]
"""`scores[r][image]` is what run r has for the image."""


class Difference(NamedTuple):
    """Of two mean scores."""

    value: float
    interval: tuple[float, float]
    """95%."""
    p_value: float
    """Two-sided, for no difference."""


def paired_difference(scores: Scores, base: Scores, *, proportions: bool = True) -> Difference:
    """The difference of mean scores: of accuracies where a score says whether the image is right, else of real numbers.

    Both were evaluated on the same images in every run. An image may be evaluated in several runs, and all images of a
    run share its weights, so the variance has a component of the images, one of the runs, and one of both, which the
    first two contain as well (two-way clustering: Cameron, Gelbach & Miller, 2011). Each component has its own
    Student's t, because two or three runs tell little about their variance (Howe, Two-sided tolerance limits, 1974, for
    sums of components). A single run says nothing about the luck of runs, and the interval then speaks of other images
    only; a single image with a real number says nothing, and its interval is infinite.

    With `proportions` two more images, one of which gained and one of which lost, keep the interval wide where few
    images or none changed (Bonett & Price, Adjusted Wald confidence interval for a difference of binomial proportions
    based on paired data, 2012); they move the middle of the interval, not the value. Real numbers have no largest gain
    that could be added, and their spread shows in the images that there are: theirs is the interval of Student's paired
    test (Student, The probable error of a mean, 1908), over images and runs. Gains that rounding can make count as 0.

    The p-value fits the interval, and is at least the smallest that flipping the signs of the images' gains can give.
    """
    gains = _Gains.of(scores, base, proportions=proportions)
    if not proportions:
        gains = gains.without_rounding(_mean_size(base))
    spread = _Spread.of(gains)
    p_value = max(_p_value(gains.middle, spread), min(1.0, 2 * 0.5**gains.changed_images))
    half, most = spread.half_width(CONFIDENCE), 1.0 if proportions else math.inf
    low, high = max(-most, gains.middle - half), min(most, gains.middle + half)
    if p_value > 1 - CONFIDENCE:  # what the signs leave open, the interval leaves open
        low, high = min(low, 0.0), max(high, 0.0)
    return Difference(gains.mean, (low, high), p_value)


def mean_interval(scores: Scores) -> tuple[float, float]:
    """The 95% interval of the mean of real numbers, by Student's t over images and runs as in `paired_difference`."""
    gains = _Gains.of(scores, [dict.fromkeys(run, 0.0) for run in scores], proportions=False)
    half = _Spread.of(gains).half_width(CONFIDENCE)
    return gains.mean - half, gains.mean + half


def _mean_size(scores: Scores) -> float:
    return float(np.mean([abs(score) for run in scores for score in run.values()]))


class _Gains(NamedTuple):
    """What one recipe gained over another in each evaluation of an image."""

    gains: NDArray[np.float64]
    """1, 0 or -1 for proportions."""
    image: NDArray[np.intp]
    """The image of each, from 0 on."""
    run: NDArray[np.intp]
    proportions: bool
    """Whether two images are added."""

    @classmethod
    def of(cls, scores: Scores, base: Scores, *, proportions: bool) -> Self:
        pairs = [
            (float(ours[name]) - float(theirs[name]), name, run)
            for run, (ours, theirs) in enumerate(zip(scores, base, strict=True))
            for name in theirs
        ]
        gains, names, runs = zip(*pairs, strict=True)
        return cls(np.array(gains), np.unique(names, return_inverse=True)[1], np.array(runs), proportions)

    def without_rounding(self, size: float) -> Self:
        """The same with 0 for gains that rounding can make of scores of that mean size."""
        return self._replace(gains=np.where(np.abs(self.gains) < _ROUNDING * size, 0.0, self.gains))

    @property
    def mean(self) -> float:
        return float(self.gains.mean())

    @property
    def added_weight(self) -> float:
        """Evaluations that each of the two added images stands for: the root of how many a real one has.

        All of them would hide what many runs show, a single one would promise too much of many runs on few images.
        0 where no images are added.
        """
        return self.proportions * math.sqrt(len(self.gains) / (self.image.max() + 1))

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
    """The added ones among them."""
    runs: int

    @classmethod
    def of(cls, gains: _Gains) -> Self:
        runs = int(gains.run.max()) + 1
        middle, added, total = gains.middle, gains.added_weight, gains.total_weight
        rest = gains.gains - middle
        of_added = [added * (1 - middle), added * (-1 - middle)] if gains.proportions else []
        of_images = np.append(np.bincount(gains.image, rest), of_added)
        of_runs = np.bincount(gains.run, rest) - 2 * added * middle / runs
        return cls(
            by_image=float(_scaled(of_images).sum()) / total**2,
            by_run=float(_scaled(of_runs).sum()) / total**2 if runs > 1 else 0.0,
            by_both=_interaction(gains) / total,
            images=len(of_images),
            runs=runs,
        )

    def half_width(self, confidence: float) -> float:
        """Half of the interval of that confidence."""
        if self.images < 2:
            return math.inf
        upper = 0.5 + confidence / 2
        from_images = float(stdtrit(self.images - 1, upper)) ** 2 * self.by_image
        from_runs = float(stdtrit(self.runs - 1, upper)) ** 2 * self.by_run if self.runs > 1 else 0.0
        counted_twice = float(ndtri(upper)) ** 2 * self.by_both
        return math.sqrt(max(from_images, from_runs, from_images + from_runs - counted_twice))


def _scaled(sums: NDArray[np.floating]) -> NDArray[np.floating]:
    """The squared sums of clusters, with the correction for few clusters; a single one has no spread."""
    if len(sums) < 2:
        return sums**2
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
