"""How well a network does, in the lines that a person reads at the end of a command."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from convlens.cli.screen import printable

if TYPE_CHECKING:
    from convlens.core.kinds.evaluation import AnyEvaluation


def outcome_lines(evaluation: "AnyEvaluation", images: str) -> Iterator[str]:
    """Lines for an evaluation; `images` says of which images, such as "20 validation images"."""
    return map(printable, evaluation.lines(images))
