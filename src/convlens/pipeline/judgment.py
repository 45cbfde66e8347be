"""Judgment: what a run's reference says of answers, in records."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from torch import Tensor

from convlens.core.bundle import Bundle
from convlens.core.prediction import Judgment, SimilarImage
from convlens.pipeline.trained import is_run
from convlens.runs.reference import read_judge
from convlens.trust.judge import Judge

COVERAGE = 0.95
NEAREST = 3
"""Training images that are named."""


def judge_of(named: str | Path, bundle: Bundle) -> Judge | None:
    """The judge of a run folder; None of a network by name, and of runs that were not calibrated."""
    return read_judge(Path(named).expanduser(), bundle) if is_run(named) else None


def judgments(
    judge: Judge, names: Sequence[str], probabilities: Tensor, vectors: Tensor, *, reject: float, coverage: float
) -> Iterator[Judgment]:
    """Of images with these probabilities (N, classes), by what the last layer read of them, (N, D)."""
    nearest = judge.nearest(vectors, NEAREST)
    rows = zip(
        judge.p_values(vectors).tolist(),
        judge.sets(probabilities, coverage).tolist(),
        probabilities.argsort(1, descending=True).tolist(),
        nearest.places.tolist(),
        nearest.similarities.tolist(),
        strict=True,
    )
    for p_value, within, ranked, places, similarities in rows:
        yield Judgment(
            p_value=p_value,
            rejected=p_value <= reject,
            possible=[names[place] for place in ranked if within[place]],
            nearest=[
                SimilarImage(
                    file=judge.files[place],
                    label=names[int(judge.kept_labels[place])],
                    sha256=judge.sha256[place],
                    similarity=similarity,
                )
                for place, similarity in zip(places, similarities, strict=True)
            ],
        )
