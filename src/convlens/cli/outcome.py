"""How well a network does, in the lines that a person reads at the end of a command."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from convlens.cli.screen import printable

if TYPE_CHECKING:
    from convlens.core.run import AnyEvaluation, LabelsEvaluation, NumbersEvaluation

_MOST_LABELS = 10


def outcome_lines(evaluation: "AnyEvaluation", images: str) -> Iterator[str]:
    """Lines for an evaluation; `images` says of which images, such as "20 validation images"."""
    if evaluation.target == "class":
        low, high = evaluation.interval
        yield f"Accuracy {evaluation.accuracy:.1%} on {images} (95 % interval {low:.1%} to {high:.1%})"
    elif evaluation.target == "labels":
        yield from _of_labels(evaluation, images)
    else:
        yield from _of_numbers(evaluation, images)


def _of_labels(evaluation: "LabelsEvaluation", images: str) -> Iterator[str]:
    low, high = evaluation.interval
    precision = evaluation.mean_average_precision
    yield f"All labels right {evaluation.exact_match:.1%} of {images} (95 % interval {low:.1%} to {high:.1%})"
    yield f"Single labels right {evaluation.accuracy:.1%}" + (
        f", mean average precision {precision:.3f}" if precision is not None else ""
    )
    for one in sorted(evaluation.per_label, key=lambda one: one.f1)[:_MOST_LABELS]:
        yield f"  {printable(one.name)}: F1 {one.f1:.3f}, accuracy {one.accuracy:.1%}, {one.support} images have it"


def _of_numbers(evaluation: "NumbersEvaluation", images: str) -> Iterator[str]:
    for one in evaluation.per_number:
        low, high = one.interval
        explained = f"R² {one.r2:.3f}" if one.r2 is not None else "no R², all are the same"
        yield (
            f"{printable(one.name)}: root mean squared error {one.root_mean_squared_error:.4g} on {images} (95 % "
            f"interval {low:.4g} to {high:.4g}), {explained}; always the mean gives {one.spread:.4g}"
        )
