"""How well a network does, in the lines that a person reads at the end of a command."""

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from convlens.cli.screen import printable

if TYPE_CHECKING:
    from convlens.core.kinds.evaluation import AnyEvaluation
    from convlens.core.run import Problem
    from convlens.core.trust import Trust

_FILES_SHOWN = 5


def outcome_lines(evaluation: "AnyEvaluation", images: str) -> Iterator[str]:
    """Lines for an evaluation; `images` says of which images, such as "20 validation images"."""
    return map(printable, evaluation.lines(images))


def trust_line(trust: "Trust") -> str:
    """What calibration came to, and how often images of the classes are rejected."""
    before, after = (one.expected_calibration_error for one in (trust.before, trust.after))
    alarms = max(trust.false_alarms, key=lambda one: one.asked)
    return (
        f"Calibrated on {trust.images} training images, held out in turn: calibration error {before:.1%} before, "
        f"{after:.1%} after; {alarms.reached:.1%} of validation images are rejected where {alarms.asked:.0%} may be"
    )


def say_problems(problems: "Sequence[Problem]", say: Callable[[str], None]) -> None:
    """Say what is wrong with files: the first few of each reason, and how many more there are."""
    from convlens.core.run import few_of_each_reason, outside_table

    if outside := outside_table(problems):
        say(outside)
    for line in few_of_each_reason(problems, _FILES_SHOWN):
        say(line)
