"""Unknown images: how well a run tells them from images of its classes."""

from pathlib import Path

from torch import Tensor

from convlens.core.intervals import wilson_interval
from convlens.core.trust import REJECT, Separation, Unknown
from convlens.pipeline.trust import false_alarms
from convlens.trust.detectors import auroc
from convlens.trust.judge import Judge


def unknown_outcome(
    judge: Judge,
    folder: Path,
    known: tuple[Tensor, Tensor],
    foreign: tuple[Tensor, Tensor],
    reject: float | None,
) -> Unknown:
    """How foreign images differ from known ones, both given by outputs (N, classes) and vectors (N, D).

    `reject` is the accepted rate of false alarms. Raises UsageError for one that is none.
    """
    rate = judge.accepted(reject, REJECT)
    (known_outputs, known_vectors), (outputs, vectors) = known, foreign
    detected = int((judge.p_values(vectors) <= rate).sum())
    return Unknown(
        folder=str(folder),
        images=len(outputs),
        known=len(known_outputs),
        false_alarms=false_alarms(judge.p_values(known_vectors), rate),
        detected=detected / len(outputs),
        interval=wilson_interval(detected, len(outputs)),
        separation=[
            Separation(
                score=judge.detector.name,
                auroc=auroc(judge.detector.scores(known_vectors), judge.detector.scores(vectors)),
            ),
            Separation(score="energy", auroc=auroc(-known_outputs.logsumexp(1), -outputs.logsumexp(1))),
            Separation(score="max_softmax", auroc=auroc(_unsure(known_outputs), _unsure(outputs))),
        ],
    )


def _unsure(outputs: Tensor) -> Tensor:
    return 1 - outputs.double().softmax(1).amax(1)
