"""Trust: what a finished training learns about its own answers, from networks trained on parts of the images."""

import time

from torch import Tensor

from convlens.core.errors import UsageError
from convlens.core.intervals import wilson_interval
from convlens.core.progress import Progress
from convlens.core.settings import setting
from convlens.core.trust import Calibration, Coverage, FalseAlarms, Trust
from convlens.pipeline.fit import Fitting
from convlens.pipeline.out_of_fold import OutOfFold, fold_count, out_of_fold, sampled
from convlens.pipeline.prepare import Prepared
from convlens.runs.reference import Trusted
from convlens.training.learner import Model
from convlens.training.loop import predict_logits
from convlens.transfer.blocks import inside
from convlens.trust.calibration import calibrated, calibration_scores, fit_calibration
from convlens.trust.conformal import coverage_of, thresholds
from convlens.trust.detectors import DETECTORS, Neighbors
from convlens.trust.judge import Judge

_LEAST_IMAGES = 50
"""To train on: what fewer images give does not tell a temperature."""
_RATES = (0.01, 0.05, 0.1)
"""Of false alarms, and of classes missing in sets, at which both are reported."""


def why_not(fitting: Fitting) -> str:
    """Why answers of this training are not to be calibrated; "" where they are.

    Raises UsageError where they cannot be and the recipe asks for it.
    """
    asked = fitting.recipe.calibrate
    if asked == "off":
        return "the recipe leaves it out"
    obstacle = _obstacle(fitting)
    if obstacle and asked == "on":
        raise UsageError(f"{setting('calibrate', asked)}: {obstacle}. Leave the setting out.")
    if not obstacle and asked == "auto" and _trains_more_than_the_head(fitting):
        return "more than the head is trained, and it takes up to five more trainings, which have to be asked for"
    return obstacle


def trusted(fitting: Fitting, untrained: Prepared, model: Model, progress: Progress) -> Trusted:
    """Calibration and judge of a trained `model`, with how well both do on the validation images.

    They come from networks trained on parts of the training images: the validation images have no say in them.
    `untrained` is the network before training.
    """
    start = time.perf_counter()
    found = out_of_fold(fitting, untrained, progress)
    calibration = fit_calibration(found.logits, found.labels)
    judge = _judge(fitting, found, calibration)
    val, vectors = fitting.examples("val", augment=False), fitting.head_examples("val").vectors
    logits = predict_logits(model, val)
    p_values, probabilities = judge.p_values(vectors), calibrated(logits, calibration).softmax(1)
    record = Trust(
        images=len(found.labels),
        folds=found.folds,
        seconds=time.perf_counter() - start,
        calibration=calibration,
        before=calibration_scores(logits.softmax(1), val.labels),
        after=calibration_scores(probabilities, val.labels),
        detector=judge.detector.name,
        detector_aurocs=found.aurocs,
        false_alarms=[false_alarms(p_values, rate) for rate in _RATES if rate >= judge.least_rate],
        coverage=[_coverage(judge, probabilities, val.labels, 1 - rate) for rate in _RATES],
    )
    return Trusted(record, judge)


def false_alarms(p_values: Tensor, rate: float) -> FalseAlarms:
    """How many images of known classes with these p-values are rejected at that rate."""
    rejected = int((p_values <= rate).sum())
    interval = wilson_interval(rejected, len(p_values))
    return FalseAlarms(asked=rate, reached=rejected / len(p_values), interval=interval)


def _coverage(judge: Judge, probabilities: Tensor, labels: Tensor, asked: float) -> Coverage:
    cut = thresholds(judge.true_probabilities, judge.labels, probabilities.shape[1], asked)
    return coverage_of(probabilities, labels, cut, asked)


def _judge(fitting: Fitting, found: OutOfFold, calibration: Calibration) -> Judge:
    """From all training images, or a sample of them."""
    kept = sampled(fitting)
    images, examples = kept.manifest.side("train"), kept.head_examples("train")
    probabilities = calibrated(found.logits, calibration).softmax(1)
    return Judge(
        detector=DETECTORS[found.detector].fit(examples.vectors, examples.labels),
        known_scores=found.scores.sort().values,
        true_probabilities=probabilities.gather(1, found.labels[:, None])[:, 0],
        labels=found.labels,
        neighbors=Neighbors.fit(examples.vectors, examples.labels),
        files=[image.file for image in images],
        kept_labels=examples.labels,
        sha256=[image.sha256 for image in images],
    )


def _obstacle(fitting: Fitting) -> str:
    count = len(fitting.manifest.side("train"))
    if not fitting.manifest.kind.exclusive:
        return "only probabilities of one class per image are calibrated"
    if fitting.processes.count > 1:
        return f"{fitting.processes.count} processes train together, and it takes one alone"
    if count < _LEAST_IMAGES:
        return f"there are {count} images to train on, and it takes {_LEAST_IMAGES}"
    if fold_count(fitting) < 2:
        return "a class has one image to train on, or one group of images that belong together"
    return ""


def _trains_more_than_the_head(fitting: Fitting) -> bool:
    cut = fitting.prepared.cut
    return any(not inside(name, cut.head) for name in cut.trained_parameters)
