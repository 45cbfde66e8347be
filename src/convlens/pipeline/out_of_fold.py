"""Out of fold: what a recipe's networks say of training images that they were not trained on."""

import dataclasses
from typing import NamedTuple

import torch
from torch import Tensor

from convlens.core.progress import Progress, silent, unsaid
from convlens.core.trust import DetectorName
from convlens.data.manifest import Manifest
from convlens.data.splits import Pairs, fold, most_folds
from convlens.pipeline.fit import Fitting, in_stages
from convlens.pipeline.prepare import Prepared
from convlens.pipeline.split import likeness
from convlens.training.loop import predict_logits
from convlens.transfer.head_stage import HeadExamples
from convlens.trust.detectors import DETECTORS, Detector, auroc
from convlens.trust.sample import spread_sample

_FOLDS = 5
_ENOUGH = 2000
"""Images that were held out, after which no more networks are trained: quantiles are known well enough then."""
_MOST_LEFT_OUT = 10
"""Classes that are taken for unknown ones, one at a time."""
_LEAST_LEFT_OUT = 2
"""Images of a class, for it to be taken for an unknown one."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class OutOfFold:
    """Of N training images that were held out, each from the network that was not trained on it."""

    logits: Tensor
    """Of shape (N, classes)."""
    labels: Tensor
    """Class numbers of shape (N,)."""
    detector: DetectorName
    """The one with the highest mean AUROC."""
    scores: Tensor
    """How unlike the images that the network was trained on, of shape (N,), by that detector."""
    aurocs: dict[DetectorName, float]
    """Of each detector, mean over the classes that were taken for unknown ones."""
    folds: int
    """Networks that were trained."""


class _Fold(NamedTuple):
    """What a network that was trained on the other folds makes of one."""

    logits: Tensor
    held_out: HeadExamples
    trained_on: HeadExamples
    """A sample."""


def fold_count(fitting: Fitting) -> int:
    """Into how many folds the training images can be divided, at most five; below two where they cannot."""
    return min(_FOLDS, most_folds(*_to_fold(fitting)))


def out_of_fold(fitting: Fitting, untrained: Prepared, progress: Progress) -> OutOfFold:
    """Networks trained by the recipe on all folds of the training images but one, each on the images of that one.

    `untrained` is the network before training. Images of one group, and those that look alike, are in one fold. Of many
    images not all folds are predicted, but so many that two thousand images are.
    """
    manifest, pairs = _to_fold(fitting)
    count = min(_FOLDS, most_folds(manifest, pairs))
    needed = min(len(manifest.images), _ENOUGH)
    found: list[_Fold] = []
    with progress("calibrate", needed) as advance:
        while len(found) < count and (there := sum(len(one.logits) for one in found)) < needed:
            divided = fold(manifest, len(found) + 1, count, fitting.recipe.seed, pairs)
            found.append(_predicted(dataclasses.replace(fitting, prepared=untrained.copied(), manifest=divided)))
            advance(min(len(found[-1].logits), needed - there))
    aurocs = {name: _mean_auroc(kind, found[0]) for name, kind in DETECTORS.items()}
    best = max(aurocs, key=lambda name: aurocs[name])
    return OutOfFold(
        logits=torch.cat([one.logits for one in found]),
        labels=torch.cat([one.held_out.labels for one in found]),
        detector=best,
        scores=torch.cat([_fitted(DETECTORS[best], one.trained_on).scores(one.held_out.vectors) for one in found]),
        aurocs=aurocs,
        folds=len(found),
    )


def sampled(fitting: Fitting) -> Fitting:
    """The same with as many training images as a run keeps vectors of, of all classes alike."""
    images = fitting.manifest.side("train")
    kept = spread_sample(fitting.task.encoded(image.labels for image in images))
    others = tuple(image for image in fitting.manifest.images if image.side != "train")
    chosen = (*(images[place] for place in kept.tolist()), *others)
    return dataclasses.replace(fitting, manifest=dataclasses.replace(fitting.manifest, images=chosen))


def _to_fold(fitting: Fitting) -> tuple[Manifest, Pairs]:
    """The training images, without sides, and which of them look alike."""
    images = tuple(dataclasses.replace(image, side=None) for image in fitting.manifest.side("train"))
    manifest = dataclasses.replace(fitting.manifest, images=images)
    return manifest, likeness(manifest, fitting.features.facts, unsaid)


def _predicted(fitting: Fitting) -> _Fold:
    model, _ = in_stages(fitting, silent)
    logits = predict_logits(model, fitting.examples("val", augment=False))
    return _Fold(logits, fitting.head_examples("val"), sampled(fitting).head_examples("train"))


def _fitted(kind: type[Detector], examples: HeadExamples, kept: Tensor | slice = slice(None)) -> Detector:
    return kind.fit(examples.vectors[kept], examples.labels[kept])


def _mean_auroc(kind: type[Detector], one: _Fold) -> float:
    """How well classes are found that the detector does not know, mean over those that are taken for such.

    A detector is fitted without the class; unknown are its images, and known are the held-out images of the others.
    """
    trained, held_out = one.trained_on, one.held_out
    counts = trained.labels.bincount()
    classes = (counts >= _LEAST_LEFT_OUT).nonzero().flatten()
    chosen = classes[torch.linspace(0, len(classes) - 1, min(len(classes), _MOST_LEFT_OUT)).round().long()]
    found = []
    for left_out in chosen:
        known, others = held_out.labels != left_out, trained.labels != left_out
        if known.any() and others.any():
            detector = _fitted(kind, trained, others)
            found.append(auroc(detector.scores(held_out.vectors[known]), detector.scores(trained.vectors[~others])))
    return sum(found) / len(found) if found else 0.0
