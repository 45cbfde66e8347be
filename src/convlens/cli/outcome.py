"""How well a network does, in the lines that a person reads at the end of a command."""

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from convlens.cli.screen import printable

if TYPE_CHECKING:
    from convlens.core.kinds.evaluation import AnyEvaluation
    from convlens.core.run import Problem

_FILES_SHOWN = 5


def outcome_lines(evaluation: "AnyEvaluation", images: str) -> Iterator[str]:
    """Lines for an evaluation; `images` says of which images, such as "20 validation images"."""
    return map(printable, evaluation.lines(images))


def say_problems(problems: "Sequence[Problem]", say: Callable[[str], None]) -> None:
    """Say what is wrong with files: the first few of each reason, and how many more there are."""
    from convlens.core.run import few_of_each_reason, outside_table

    if outside := outside_table(problems):
        say(outside)
    for line in few_of_each_reason(problems, _FILES_SHOWN):
        say(line)
